{{/* Names and labels. The full name follows the rule of the original chart. */}}

{{- define "tote.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tote.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, component. The name is always "tote": controller and agents find each other by it. */}}
{{- define "tote.selectorLabels" -}}
app.kubernetes.io/name: tote
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tote.labels" -}}
{{ include "tote.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: tote
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tote.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tote.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tote.agentNamespace" -}}
{{- default .Release.Namespace .Values.agent.namespace -}}
{{- end -}}

{{- define "tote.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The port of ":8080" or "0.0.0.0:8080". */}}
{{- define "tote.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{- define "tote.priorityClassName" -}}
{{- if .Values.priorityClass.name -}}
{{- .Values.priorityClass.name -}}
{{- else if .Values.priorityClass.create -}}
{{- include "tote.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* "true" when the relay runs: somebody wants to be told. */}}
{{- define "tote.hasRelay" -}}
{{- if or .Values.relay.subscriptions .Values.relay.existingSecret .Values.notifications.webhookUrl -}}true{{- end -}}
{{- end -}}
