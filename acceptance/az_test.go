package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An az is the real client, signed in nowhere yet.
type az struct {
	program string
	env     []string
	secret  string // never shown
}

// findAz skips the test, in words, where az is not prepared.
func findAz(t *testing.T) string {
	t.Helper()
	program := os.Getenv("LOGKEEP_AZ")
	if program == "" {
		program, _ = filepath.Abs("../.cache/az/bin/az")
	}
	if _, err := os.Stat(program); err != nil {
		t.Skipf("az is not prepared: `make az` installs it, or name one with LOGKEEP_AZ (%v)", err)
	}
	return program
}

func newAz(t *testing.T, program string, s *server) *az {
	a := &az{program: program, secret: s.env["AZURE_CLIENT_SECRET"], env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "HTTPS_PROXY=" + s.proxy(t), "NO_PROXY=",
		"AZURE_CORE_COLLECT_TELEMETRY=no", "AZURE_CORE_NO_COLOR=true", "AZURE_CORE_ONLY_SHOW_ERRORS=true",
	}}
	for name, value := range s.env {
		a.env = append(a.env, name+"="+value)
	}
	return a
}

// An outcome is what one command did.
type outcome struct {
	code   int
	stdout []byte
	stderr string
}

// try runs one command and leaves it to the caller what its end means.
func (a *az) try(t *testing.T, args ...string) outcome {
	t.Helper()
	command := exec.Command(a.program, args...)
	command.Env = a.env
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	start := time.Now()
	err := command.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatalf("az: %v", err)
	}
	shown := strings.ReplaceAll(strings.Join(args, " "), a.secret, "…")
	t.Logf("%5.1fs exit %d  az %.160s", time.Since(start).Seconds(), command.ProcessState.ExitCode(), shown)
	return outcome{command.ProcessState.ExitCode(), stdout.Bytes(), stderr.String()}
}

// run insists that a command succeeds, and returns its answer.
func (a *az) run(t *testing.T, args ...string) value {
	t.Helper()
	o := a.try(t, args...)
	if o.code != 0 {
		t.Fatalf("az %s: exit %d\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return parse(t, o.stdout)
}

// fails insists that a command fails, and says why.
func (a *az) fails(t *testing.T, why string, args ...string) outcome {
	t.Helper()
	o := a.try(t, args...)
	if o.code == 0 || !strings.Contains(o.stderr, why) {
		t.Fatalf("az %s: exit %d, want a failure that says %q\n%s%s", strings.Join(args, " "), o.code, why, o.stderr, o.stdout)
	}
	if strings.Contains(o.stderr, "Traceback") {
		t.Fatalf("az %s met something that it does not expect:\n%s", strings.Join(args, " "), o.stderr)
	}
	t.Logf("      %.400s", strings.TrimSpace(o.stderr))
	return o
}

// A value is a JSON answer, read by path.
type value struct{ v any }

func parse(t *testing.T, b []byte) value {
	t.Helper()
	if len(bytes.TrimSpace(b)) == 0 {
		return value{}
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	return value{v}
}

// at follows names and indexes, such as "tables.0.rows.0.0". What is missing is null.
func (v value) at(path string) value {
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.v.(type) {
		case map[string]any:
			v = value{x[step]}
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i < 0 || i >= len(x) {
				return value{}
			}
			v = value{x[i]}
		default:
			return value{}
		}
	}
	return v
}

// text is v as a person would write it.
func (v value) text() string {
	switch x := v.v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return fmt.Sprintf("%.0f", x)
	}
	b, _ := json.Marshal(v.v)
	return string(b)
}

func (v value) is(t *testing.T, path, want string) {
	t.Helper()
	if got := v.at(path).text(); !strings.EqualFold(got, want) {
		t.Errorf("%s is %q, want %q", path, got, want)
	}
}

// soon tries until check holds, and fails the test if it does not within limit.
func soon(t *testing.T, limit time.Duration, what string, check func() bool) {
	t.Helper()
	for start := time.Now(); !check(); {
		if time.Since(start) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
