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
{{/* No ports, no rule: a rule without ports would let everything through. */}}
{{- define "tote.dnsRule" -}}
{{- with .Values.networkPolicy.dns.ports -}}
- ports:
    {{- range . }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}
{{- end -}}
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
{{/* Who makes and removes certificates: out to the API server, and nobody in. */}}
{{- define "tote.certsPolicySpec" -}}
podSelector:
  matchLabels:
    {{- include "tote.selectorLabels" (dict "root" . "component" "certs") | nindent 4 }}
policyTypes: [Ingress, Egress]
ingress: []
egress:
  {{- include "tote.dnsRule" . | nindent 2 }}
  {{- include "tote.apiServerRule" . | nindent 2 }}
{{- end -}}
