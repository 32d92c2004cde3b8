{{/* Argument: weight. For all but the pod, whose log `helm test --logs` reads when the hooks have ended. */}}
{{- define "tote.testAnnotations" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
