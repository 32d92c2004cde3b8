{{/* The jobs that make certificates and remove them: as hooks, which run before anything is there or when all is gone, and daily. */}}

{{/* Arguments: root, name of roles and account, namespace, file of rules, extra annotations. Role and binding in one namespace. */}}
{{- define "tote.certsRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tote.labels" (dict "root" .root "component" "certs") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
{{ .root.Files.Get (printf "files/%s" .file) | replace "- tote-" (printf "- %s-" (include "tote.fullname" .root)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tote.labels" (dict "root" .root "component" "certs") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Arguments: root, name, action, annotations. Everything that the job may do, and its account. */}}
{{- define "tote.certsAccess" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tote.labels" (dict "root" .root "component" "certs") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
---
{{- $rules := ternary "certs" "remove" (eq .action "ensure") }}
{{ include "tote.certsRole" (merge (dict "namespace" .root.Release.Namespace "file" (printf "%s-role.yaml" $rules)) .) }}
{{- if ne (include "tote.agentNamespace" .root) .root.Release.Namespace }}
---
{{ include "tote.certsRole" (merge (dict "namespace" (include "tote.agentNamespace" .root) "file" (printf "%s-agent-role.yaml" $rules)) .) }}
{{- end }}
{{- if and (eq .action "ensure") (include "tote.ensuresWebhook" .root) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels:
    {{- include "tote.labels" (dict "root" .root "component" "certs") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
{{ .root.Files.Get "files/certs-cluster-role.yaml" | replace "[tote]" (printf "[%s]" (include "tote.fullname" .root)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "tote.labels" (dict "root" .root "component" "certs") | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
{{- end -}}

{{/* Arguments: root, name of the account, action. The pod of the job. No PriorityClass: before the installation there is none. */}}
{{- define "tote.certsPod" -}}
metadata:
  {{- include "tote.podMetadata" (dict "root" .root "component" "certs") | nindent 2 }}
spec:
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ .name }}
  automountServiceAccountToken: true
  restartPolicy: Never
  {{- include "tote.restrictedPod" .root | nindent 2 }}
  {{- include "tote.placement" .root | nindent 2 }}
  containers:
    - name: certs
      {{- include "tote.container" .root | nindent 6 }}
      args:
        - certs
        - {{ .action }}
        {{- if eq .action "ensure" }}
        {{- include "tote.ensureFlags" .root | nindent 8 }}
        {{- else }}
        - --name={{ include "tote.fullname" .root }}
        - --namespace={{ .root.Release.Namespace }}
        {{- if ne (include "tote.agentNamespace" .root) .root.Release.Namespace }}
        - --agent-namespace={{ include "tote.agentNamespace" .root }}
        {{- end }}
        {{- end }}
      {{- with .root.Values.certs.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "tote.restrictedContainer" .root | nindent 6 }}
{{- end -}}
