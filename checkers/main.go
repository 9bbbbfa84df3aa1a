// Runs BuildKit's checks of Dockerfiles, those of `docker build --check`, without an engine that has them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

// offline knows nothing of any base image, so that no registry is asked.
type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(map[string]any{"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{}})
	return ref, "", config, err
}

func main() {
	found := 0
	for _, file := range os.Args[1:] {
		findings, err := check(file)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			os.Exit(2)
		}
		for _, finding := range findings {
			fmt.Println(finding)
		}
		found += len(findings)
	}
	if found > 0 {
		os.Exit(1)
	}
}

// check returns what BuildKit finds in a Dockerfile, a line each.
func check(file string) ([]string, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	location := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", source)
	location.Definition = &llb.Definition{}
	options := dockerfile2llb.ConvertOpt{MetaResolver: offline{}, SourceMap: location}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), source, options)
	if err != nil {
		return nil, err
	}
	if results.Error != nil {
		return nil, fmt.Errorf("%s", results.Error.Message)
	}
	var findings []string
	for _, warning := range results.Warnings {
		line := int32(0)
		if ranges := warning.Location.GetRanges(); len(ranges) > 0 {
			line = ranges[0].GetStart().GetLine()
		}
		findings = append(findings, fmt.Sprintf("%s:%d: %s: %s", file, line, warning.RuleName, warning.Detail))
	}
	return findings, nil
}
