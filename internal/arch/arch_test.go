// Package arch holds the architecture: layers.txt says where down is, and
// fences.txt who may import what. The test keeps the code to both.
package arch

import (
	"bufio"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "logkeep/"

// packages reads every Go package below the repository's root: its path from
// the root, and what its files (tests apart) import.
func packages(t *testing.T) map[string][]string {
	found := map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (name == "testdata" || strings.HasPrefix(name, ".") || name == "node_modules" || name == "bin") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		found[filepath.ToSlash(rel)] = p.Imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// lines yields the fields of a file's lines without comments and blanks.
func lines(t *testing.T, name string) [][]string {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		text, _, _ := strings.Cut(s.Text(), "#")
		if fields := strings.Fields(text); len(fields) > 0 {
			all = append(all, fields)
		}
	}
	return all
}

func TestImportsPointDown(t *testing.T) {
	height := map[string]int{}
	all := lines(t, "layers.txt")
	for i, line := range all {
		for _, p := range line {
			if _, twice := height[p]; twice {
				t.Errorf("layers.txt names %s twice", p)
			}
			height[p] = len(all) - i
		}
	}
	code := packages(t)
	for pkg, imports := range code {
		own, listed := height[pkg]
		if !listed && pkg != "internal/arch" {
			t.Errorf("%s is not in layers.txt; say where it stands", pkg)
			continue
		}
		for _, imp := range imports {
			if dep, ours := strings.CutPrefix(imp, module); ours && height[dep] >= own {
				t.Errorf("%s imports %s, which is not below it", pkg, dep)
			}
		}
	}
	for p := range height {
		if _, there := code[p]; !there {
			t.Errorf("layers.txt names %s, which is not there", p)
		}
	}
}

func TestFencesHold(t *testing.T) {
	code := packages(t)
	for _, line := range lines(t, "fences.txt") {
		if line[0] == "!" {
			if way := reaches(code, line[1], line[2], map[string]bool{}); way != nil {
				t.Errorf("%s reaches %s: %s", line[1], line[2], strings.Join(way, " → "))
			}
			continue
		}
		for pkg, imports := range code {
			if slices.Contains(imports, line[0]) && !slices.Contains(line[1:], pkg) {
				t.Errorf("%s imports %s, which is kept to %s", pkg, line[0], strings.Join(line[1:], ", "))
			}
		}
	}
}

// reaches finds a way from one package to another through imports of ours.
func reaches(code map[string][]string, from, to string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, imp := range code[from] {
		if dep, ours := strings.CutPrefix(imp, module); ours {
			if way := reaches(code, dep, to, seen); way != nil {
				return append([]string{from}, way...)
			}
		}
	}
	return nil
}
