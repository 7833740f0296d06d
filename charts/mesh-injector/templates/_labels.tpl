{{- define "mesh-injector.labels" -}}
app.kubernetes.io/name: mesh-injector
app.kubernetes.io/part-of: mesh-injector
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mesh-injector.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* A file of config/ as it is, with the chart's labels (and what else is given) and in the release's namespace. */}}
{{- define "mesh-injector.file" -}}
{{- $labels := include "mesh-injector.labels" .root | fromYaml }}
{{- $one := .root.Files.Get .file | fromYaml }}
{{- $_ := set $one.metadata "labels" (merge (deepCopy (.labels | default dict)) $labels) }}
{{- with .annotations }}{{ $_ := set $one.metadata "annotations" (merge (deepCopy .) ($one.metadata.annotations | default dict)) }}{{ end }}
{{- if $one.metadata.namespace }}{{ $_ := set $one.metadata "namespace" .root.Release.Namespace }}{{ end }}
{{- toYaml $one }}
{{- end }}
