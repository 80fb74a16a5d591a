package arch

import (
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// unsealed is the build tag of the program that make bench measures ours
// against. It stores rows as they are.
const unsealed = "unsealed"

// No build but that of the benchmark has the way that seals nothing: only a tag
// compiles it, and only the benchmark's script gives the tag.
func TestNothingShippedLeavesOutTheSeal(t *testing.T) {
	root := filepath.Join("..", "..")
	var tagged, giving []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (name == "testdata" || name == "node_modules" || name == "bin" || strings.HasPrefix(name, ".") && name != ".ci") {
				return filepath.SkipDir
			}
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		recipe := name == "Makefile" || strings.HasPrefix(rel, "scripts/") || strings.HasPrefix(rel, ".ci/")
		if !recipe && !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.HasSuffix(name, ".go") && strings.HasPrefix(line, "//go:build") && strings.Contains(line, unsealed):
				tagged = append(tagged, rel)
			case recipe && strings.Contains(line, "-tags"):
				giving = append(giving, rel)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"internal/seal/ciphers.go", "internal/seal/unsealed.go"}; !slices.Equal(tagged, want) {
		t.Errorf("the tag %s stands in %v, want %v alone", unsealed, tagged, want)
	}
	if want := []string{"scripts/bench.sh"}; !slices.Equal(giving, want) {
		t.Errorf("build tags are given by %v, want %v alone", giving, want)
	}

	seal := filepath.Join(root, "internal", "seal")
	for _, system := range []string{"linux", "darwin", "windows"} {
		ctx := build.Default
		ctx.GOOS, ctx.BuildTags = system, nil
		for file, want := range map[string]bool{"ciphers.go": true, "unsealed.go": false} {
			if in, err := ctx.MatchFile(seal, file); err != nil || in != want {
				t.Errorf("a build without tags for %s has %s: %t, %v", system, file, in, err)
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-tags" && strings.Contains(s.Value, unsealed) {
				t.Errorf("this build has the tags %s", s.Value)
			}
		}
	}
	if strings.Contains(os.Getenv("GOFLAGS"), "-tags") {
		t.Errorf("GOFLAGS gives tags: %s", os.Getenv("GOFLAGS"))
	}
}
