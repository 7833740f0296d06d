// Command go_yaml_cases lets the library that kubectl reads YAML with answer the cases of our tests anew:
//
//	cd scripts/go_yaml_cases && go run . ../../tests/documents/go_yaml_cases.json ../../tests/documents/dumped_cases.json
//
// Each file is rewritten in place: the text of every case stays, its "json" (or "error") and the name of the library are renewed.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"runtime/debug"
	"strings"

	"sigs.k8s.io/yaml"
)

type yamlCase struct {
	YAML  string          `json:"yaml"`
	JSON  json.RawMessage `json:"json,omitempty"`
	Error string          `json:"error,omitempty"`
}

type cases struct {
	Library string     `json:"library"`
	Cases   []yamlCase `json:"cases"`
}

func main() {
	for _, name := range os.Args[1:] {
		if err := renew(name); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

func renew(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var file cases
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	file.Library = library()
	for i, each := range file.Cases {
		file.Cases[i] = answer(each.YAML)
	}
	return write(name, file)
}

func answer(text string) yamlCase {
	value, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return yamlCase{YAML: text, Error: err.Error()}
	}
	return yamlCase{YAML: text, JSON: value}
}

// library names the modules that read YAML, with their versions.
func library() string {
	var names []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			names = append(names, module.Path+" "+module.Version)
		}
	}
	return strings.Join(names, ", ")
}

// write puts one case on one line, so that a change shows as one.
func write(name string, file cases) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteString("{\"library\": ")
	if err := encoder.Encode(file.Library); err != nil {
		return err
	}
	for i, each := range file.Cases {
		out.WriteString([]string{", \"cases\": [\n", ","}[min(i, 1)])
		if err := encoder.Encode(each); err != nil {
			return err
		}
	}
	out.WriteString("]}\n")
	return os.WriteFile(name, out.Bytes(), 0o644)
}
