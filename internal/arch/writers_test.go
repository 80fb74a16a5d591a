package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// writes are the functions that put something on a disk, or open the way to it,
// by import path.
var writes = map[string][]string{
	"os":                    {"Create", "CreateTemp", "MkdirTemp", "OpenFile", "WriteFile", "Rename", "Link", "Symlink", "CopyFS", "Truncate", "OpenRoot"},
	"io/ioutil":             {"WriteFile", "TempFile", "TempDir"},
	"syscall":               {"Open", "Openat", "Creat", "Rename", "Mkfifo"},
	"golang.org/x/sys/unix": {"Open", "Openat", "Openat2", "Creat", "Rename", "Renameat", "Linkat"},
}

// One choke point writes bytes: every other place that opens a file for
// writing is listed, with what it writes.
func TestFilesAreWrittenWhereItIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, line := range lines(t, "writers.txt") {
		if len(line) < 2 {
			t.Errorf("writers.txt does not say what %s writes", line[0])
		}
		listed[line[0]] = false
	}
	root := filepath.Join("..", "..")
	for _, dir := range [...]string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			rel = filepath.ToSlash(rel)
			if strings.HasPrefix(rel, "internal/disk/disktest/") || strings.HasPrefix(rel, "internal/kek/kektest/") {
				return nil // for tests
			}
			for _, call := range writing(t, path) {
				if _, ok := listed[rel]; !ok {
					t.Errorf("%s calls %s: rows and keys must go through internal/disk; what is neither is listed in writers.txt", rel, call)
				}
				listed[rel] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, used := range listed {
		if !used {
			t.Errorf("writers.txt lists %s, which writes nothing", path)
		}
	}
}

// writing lists what a source file names that writes.
func writing(t *testing.T, path string) (found []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // local name → import path
	for _, imp := range file.Imports {
		from, _ := strconv.Unquote(imp.Path.Value)
		if _, ok := writes[from]; !ok {
			continue
		}
		name := from[strings.LastIndexByte(from, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		if name == "." {
			t.Errorf("%s imports %s without its name", path, from)
		}
		names[name] = from
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok {
			for _, f := range writes[names[x.Name]] {
				if f == sel.Sel.Name {
					found = append(found, x.Name+"."+f)
				}
			}
		}
		return true
	})
	return found
}

// The search itself finds what it is for.
func TestWritersAreFound(t *testing.T) {
	if got := writing(t, filepath.Join("..", "wholefile", "wholefile.go")); len(got) < 2 {
		t.Errorf("found %v", got)
	}
	if got := writing(t, filepath.Join("..", "blob", "blob.go")); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}
