{{/* Nodes as the cluster shows them while the notes are made; none where the chart is only rendered. */}}

{{/*
Which nodes discard layers, as far as their systems tell. Only who may list nodes, as who may make the controller's role,
is asked to: for anybody else the question would be the end of the installation.
*/}}
{{- define "tote.discardingNodes" -}}
{{- $nodes := list -}}
{{- if .Values.rbac.create -}}{{- $nodes = (lookup "v1" "Node" "" "").items | default list -}}{{- end -}}
{{- $discarding := list -}}
{{- range $nodes -}}
{{- $system := include "tote.discardingSystem" . -}}
{{- if $system -}}{{- $discarding = append $discarding (printf "%s (%s)" .metadata.name $system) -}}{{- end -}}
{{- end -}}
{{- if $discarding -}}
These nodes discard layers after unpacking unless you have told them not to: they receive images and cannot give any.
{{- range (slice $discarding 0 (min 10 (len $discarding))) }}
  {{ . }}
{{- end }}
{{- if gt (len $discarding) 10 }}
  and {{ sub (len $discarding) 10 }} more
{{- end }}
{{- else if $nodes -}}
No node is known to discard layers after unpacking, as EKS, Talos and kind do: what one has it can give.
{{- else -}}
Nodes that discard layers after unpacking (default on EKS, Talos and kind) can receive images and cannot give any.
{{- end -}}
{{- end -}}

{{/* Argument: a node. Its system, when that discards layers by default. */}}
{{- define "tote.discardingSystem" -}}
{{- $info := ((.status | default dict).nodeInfo | default dict) -}}
{{- if hasPrefix "Talos" ($info.osImage | default "") -}}Talos
{{- else if contains "-eks-" ($info.kubeletVersion | default "") -}}EKS
{{- else if hasPrefix "kind://" ((.spec | default dict).providerID | default "") -}}kind
{{- end -}}
{{- end -}}
