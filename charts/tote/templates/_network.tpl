{{/* Parts of NetworkPolicies. */}}

{{- define "tote.policyMetadata" -}}
name: {{ include "tote.fullname" .root }}-{{ .component }}
namespace: {{ .namespace }}
labels:
  {{- include "tote.labels" . | nindent 2 }}
{{- end -}}
{{/* Arguments: root, component, namespace. A peer among our own pods. */}}
{{- define "tote.peer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .namespace }}
  podSelector:
    matchLabels:
      {{- include "tote.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- define "tote.dnsRule" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
{{/* No ports, no rule: a rule without ports would let everything through. */}}
{{- define "tote.apiServerRule" -}}
{{- with .Values.networkPolicy.apiServer.ports -}}
- ports:
    {{- range . }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with $.Values.networkPolicy.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
{{/* Arguments: root, ports. */}}
{{- define "tote.metricsRule" -}}
- ports:
    {{- range .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .root.Values.networkPolicy.metrics.from }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
