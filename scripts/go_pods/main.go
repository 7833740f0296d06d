// Command go_pods lets Kubernetes' own code speak about pods, on JSON lines: what its API server fills in, and what it refuses.
//
//	go_pods defaults               one line: a pod with every optional struct, before and after Kubernetes' defaulting,
//	                               and the fields whose false or 0 is left out when a pod is written
//	go_pods judge < pods.jsonl     for each pod a line with what creating it would answer: {"errors": [...]}, none where it is accepted
//
// run.py builds it against one release of k8s.io/kubernetes; go.mod is made there, because the release decides what is in it.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"reflect"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/registry/core/pod"
)

const namespace = "default"

type answer struct {
	Errors []cause `json:"errors"`
}

type cause struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func main() {
	capabilities.Setup(true, 0) // as nearly every cluster is started: --allow-privileged
	out := json.NewEncoder(os.Stdout)
	switch os.Args[len(os.Args)-1] {
	case "defaults":
		encode(out, filledIn())
	case "judge":
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<26)
		for lines.Scan() {
			encode(out, answer{judge(lines.Bytes())})
		}
		if err := lines.Err(); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatal("say defaults or judge")
	}
}

func encode(out *json.Encoder, value any) {
	if err := out.Encode(value); err != nil {
		log.Fatal(err)
	}
}

// judge goes the way of a pod through the API server after its webhooks: decoded, defaulted, prepared, validated.
func judge(line []byte) []cause {
	decoded, _, err := legacyscheme.Codecs.UniversalDecoder().Decode(line, &schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, nil)
	if err != nil {
		return []cause{{"", err.Error()}}
	}
	context := genericapirequest.WithNamespace(genericapirequest.NewContext(), namespace)
	context = genericapirequest.WithRequestInfo(context, &genericapirequest.RequestInfo{APIVersion: "v1", Resource: "pods", Verb: "create"})
	if accessor, err := meta.Accessor(decoded); err == nil {
		rest.FillObjectMetaSystemFields(accessor)
	}
	err = rest.BeforeCreate(pod.Strategy, context, decoded)
	if err == nil {
		return []cause{}
	}
	status, known := err.(apierrors.APIStatus)
	if !known || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return []cause{{"", err.Error()}}
	}
	causes := []cause{}
	for _, one := range status.Status().Details.Causes {
		causes = append(causes, cause{one.Field, one.Message})
	}
	return causes
}

type change struct {
	Before  *v1.Pod        `json:"before"`
	After   *v1.Pod        `json:"after"`
	Dropped map[string]any `json:"dropped"`
}

func filledIn() change {
	skeleton := &v1.Pod{}
	done := change{After: skeleton, Dropped: map[string]any{}}
	done.fill(reflect.ValueOf(&skeleton.Spec).Elem(), "")
	done.Before = skeleton.DeepCopy()
	legacyscheme.Scheme.Default(skeleton)
	return done
}

// fill gives every optional struct and every list one empty value, so that the defaults inside them show; scalars stay unset.
func (done *change) fill(value reflect.Value, path string) {
	switch value.Kind() {
	case reflect.Pointer:
		if value.Type().Elem().Kind() == reflect.Struct {
			value.Set(reflect.New(value.Type().Elem()))
			done.fill(value.Elem(), path)
		}
	case reflect.Slice:
		if value.Type().Elem().Kind() == reflect.Struct {
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
			done.fill(value.Index(0), path)
		}
	case reflect.Struct:
		for index := range value.NumField() {
			done.field(value.Field(index), value.Type().Field(index), path)
		}
	}
}

func (done *change) field(value reflect.Value, field reflect.StructField, path string) {
	if !field.IsExported() {
		return
	}
	name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name != "" {
		path = strings.TrimPrefix(path+"."+name, ".")
	}
	if (value.CanInt() || value.Kind() == reflect.Bool) && strings.Contains(options, "omitempty") {
		done.Dropped[path] = value.Interface()
	}
	done.fill(value, path)
}
