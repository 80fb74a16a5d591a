package acceptance

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// An sdk is a suite in another language, and where its SDKs are installed.
type sdk struct {
	folder  string // prepared below .cache by a make target
	target  string
	program []string                          // the command, from acceptance
	env     func(home, proxy string) []string // what makes the server's names reach the server
}

// TestTheNodeSDKs walks the whole service with the npm SDKs: two generations of
// the management SDK, vaults, keys, roles, identities, rows and queries.
func TestTheNodeSDKs(t *testing.T) {
	sdk{
		folder: "node", target: "node-sdk",
		program: []string{"node", "--require", "./node/hosts.cjs", "node/suite.cjs"},
		env: func(home, _ string) []string {
			return []string{"NODE_PATH=" + filepath.Join(home, "node_modules")}
		},
	}.run(t)
}

// TestThePythonSDKs does the same for keys, rows and queries with the Python SDKs.
func TestThePythonSDKs(t *testing.T) {
	python, _ := filepath.Abs("../.cache/python/bin/python")
	sdk{
		folder: "python", target: "python-sdk",
		program: []string{python, "python/suite.py"},
		env: func(_, proxy string) []string {
			return []string{"HTTPS_PROXY=" + proxy, "NO_PROXY=", "PYTHONDONTWRITEBYTECODE=1"}
		},
	}.run(t)
}

// patience is far more than a suite needs, and ends one that hangs.
const patience = 3 * time.Minute

func (s sdk) run(t *testing.T) {
	home, err := filepath.Abs(filepath.Join("../.cache", s.folder))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "ready")); err != nil {
		t.Skipf("the SDKs are not prepared: `make %s` installs them (%v)", s.target, err)
	}
	if _, err := exec.LookPath(s.program[0]); err != nil {
		t.Skipf("%s is not installed, which runs this suite (%v)", s.program[0], err)
	}
	server := startServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, s.program[0], s.program[1:]...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, s.env(home, server.proxy(t))...)
	for name, value := range server.env {
		command.Env = append(command.Env, name+"="+value)
	}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err = command.Run()
	t.Logf("\n%s", said.Bytes())
	if err != nil {
		t.Fatalf("%s: %v", s.folder, err)
	}
}
