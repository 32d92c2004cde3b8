{{/* Who makes which certificate. */}}

{{/* Stops what must not be installed. */}}
{{- define "tote.checkValues" -}}
{{- if .Values.tls.secretName -}}
{{- fail "tls.secretName: one certificate for all roles would put the key that signs grants on every node: set tls.secretNames.controller, .agent, .relay and .webhook" -}}
{{- end -}}
{{- if and (not .Values.tls.enabled) (not .Values.tls.iKnowThisIsInsecure) -}}
{{- fail "tls.enabled: false lets anyone in the cluster read and write the images of every node: set tls.iKnowThisIsInsecure: true, too, if that is what you want" -}}
{{- end -}}
{{- if and .Values.webhook.enabled (not .Values.tls.enabled) -}}
{{- fail "webhook.enabled: the API server calls webhooks over TLS only, which tls.enabled: false turns off" -}}
{{- end -}}
{{- if and .Values.webhook.enabled .Values.tls.secretNames.webhook (not .Values.tls.webhookCaBundle) -}}
{{- fail "tls.secretNames.webhook: needs tls.webhookCaBundle, the CA that the API server checks the certificate with" -}}
{{- end -}}
{{- if and .Values.tls.webhookCaBundle (not .Values.tls.secretNames.webhook) -}}
{{- fail "tls.webhookCaBundle: only with tls.secretNames.webhook, otherwise the chart knows the CA itself" -}}
{{- end -}}
{{- include "tote.checkSecretNames" . -}}
{{- if and .Values.relay.existingSecret (or .Values.relay.subscriptions .Values.relay.secrets .Values.notifications.webhookUrl) -}}
{{- fail "relay.existingSecret: excludes relay.subscriptions, relay.secrets and notifications.webhookUrl" -}}
{{- end -}}
{{- if hasKey .Values.relay.secrets "relay.yaml" -}}
{{- fail "relay.secrets: relay.yaml is made from relay.subscriptions, use relay.existingSecret to write it yourself" -}}
{{- end -}}
{{- end -}}

{{/* Controller, agents and relay know each other by one CA: who is signed by another one is nobody. */}}
{{- define "tote.checkSecretNames" -}}
{{- $named := list -}}
{{- $missing := list -}}
{{- $parties := list "controller" -}}
{{- if .Values.agent.enabled -}}{{- $parties = append $parties "agent" -}}{{- end -}}
{{- if include "tote.hasRelay" . -}}{{- $parties = append $parties "relay" -}}{{- end -}}
{{- range $parties -}}
{{- if get $.Values.tls.secretNames . -}}{{- $named = append $named . -}}{{- else -}}{{- $missing = append $missing . -}}{{- end -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (or $named .Values.tls.secretNames.webhook) -}}
{{- fail "tls.certManager.enabled: excludes tls.secretNames, a certificate of another CA is nobody to the others" -}}
{{- end -}}
{{- if and $named $missing -}}
{{- fail (printf "tls.secretNames: names %s and not %s: one CA must have signed all, so name all or none" (join ", " $named) (join ", " $missing)) -}}
{{- end -}}
{{- if and $named .Values.tls.operator -}}
{{- fail "tls.operator: your own CA (tls.secretNames) must sign the operator's certificate, the chart cannot: set tls.operator: false" -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, party. The Secret with the party's certificate. */}}
{{- define "tote.tlsSecret" -}}
{{- default (printf "%s-tls-%s" (include "tote.fullname" .root) .party) (get .root.Values.tls.secretNames .party) -}}
{{- end -}}

{{/* Parties whose certificates `tote certs ensure` makes, with commas between them. */}}
{{- define "tote.ensuredParties" -}}
{{- $values := .Values -}}
{{- $parties := list -}}
{{- if and $values.tls.enabled (not $values.tls.certManager.enabled) -}}
{{- if not $values.tls.secretNames.controller -}}{{- $parties = append $parties "controller" -}}{{- end -}}
{{- if and $values.agent.enabled (not $values.tls.secretNames.agent) -}}{{- $parties = append $parties "agent" -}}{{- end -}}
{{- if and (include "tote.hasRelay" .) (not $values.tls.secretNames.relay) -}}{{- $parties = append $parties "relay" -}}{{- end -}}
{{- if and $values.webhook.enabled (not $values.tls.secretNames.webhook) -}}{{- $parties = append $parties "webhook" -}}{{- end -}}
{{- if $values.tls.operator -}}{{- $parties = append $parties "operator" -}}{{- end -}}
{{- end -}}
{{- join "," $parties -}}
{{- end -}}

{{/* "true" when the relay's tokens are made. */}}
{{- define "tote.ensuresTokens" -}}
{{- if and (include "tote.hasRelay" .) (not .Values.relay.tokensSecretName) -}}true{{- end -}}
{{- end -}}

{{/* "true" when there is anything to be made. */}}
{{- define "tote.ensures" -}}
{{- if or (include "tote.ensuredParties" .) (include "tote.ensuresTokens" .) -}}true{{- end -}}
{{- end -}}

{{- define "tote.tokensSecret" -}}
{{- default (printf "%s-relay-tokens" (include "tote.fullname" .)) .Values.relay.tokensSecretName -}}
{{- end -}}

{{/* Whether `tote certs ensure` puts its CA into the webhook's configuration. */}}
{{- define "tote.ensuresWebhook" -}}
{{- if and .Values.webhook.enabled (has "webhook" (splitList "," (include "tote.ensuredParties" .))) -}}true{{- end -}}
{{- end -}}

{{- define "tote.ensureFlags" -}}
- --name={{ include "tote.fullname" . }}
- --namespace={{ .Release.Namespace }}
- --instance={{ .Release.Name }}
{{- if ne (include "tote.agentNamespace" .) .Release.Namespace }}
- --agent-namespace={{ include "tote.agentNamespace" . }}
{{- end }}
{{- with include "tote.ensuredParties" . }}
- --parties={{ . }}
{{- else }}
- --certificates=false
{{- end }}
- --days={{ .Values.tls.days }}
- --tokens={{ eq (include "tote.ensuresTokens" .) "true" }}
{{- if include "tote.ensuresWebhook" . }}
- --webhook-configuration={{ include "tote.fullname" . }}
{{- end }}
{{- end -}}

{{/* Flags of the certificate, mounted at /etc/tote/tls. */}}
{{- define "tote.tlsFlags" -}}
- --tls-cert=/etc/tote/tls/tls.crt
- --tls-key=/etc/tote/tls/tls.key
- --tls-ca=/etc/tote/tls/ca.crt
{{- end -}}

{{- define "tote.tlsMount" -}}
- name: tls
  mountPath: /etc/tote/tls
  readOnly: true
{{- end -}}

{{/* Arguments: root, party. */}}
{{- define "tote.tlsVolume" -}}
- name: tls
  secret:
    secretName: {{ include "tote.tlsSecret" . }}
    defaultMode: 0440
{{- end -}}
