// Package cloudtest starts real object stores for tests: versitygw, an S3
// server, and Azurite, Microsoft's own Azure Blob Storage for a desk. `make
// object-stores` installs both below .cache; LOGKEEP_S3_SERVER and
// LOGKEEP_AZURITE name others. A test whose store is not installed says so and
// is skipped.
package cloudtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// A Server is an object store with one empty bucket.
type Server struct {
	URL string   // of the bucket, for --storage
	Env []string // with the credentials, NAME=VALUE
}

// Setenv gives this process the credentials.
func (s Server) Setenv(t *testing.T) {
	for _, line := range s.Env {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
}

// S3 starts versitygw.
func S3(t *testing.T) Server {
	program := find(t, "LOGKEEP_S3_SERVER", "versitygw")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil { // a folder is a bucket
		t.Fatal(err)
	}
	address := free(t)
	const id, secret = "logkeep-test", "logkeep-test-secret"
	cmd := exec.Command(program, "--port", address, "--keep-alive", "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+id, "ROOT_SECRET_KEY="+secret)
	start(t, cmd, address)
	return Server{
		URL: fmt.Sprintf("s3://logs/installation-1?region=us-east-1&endpoint=http://%s&use_path_style=true", address),
		Env: []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_EC2_METADATA_DISABLED=true"},
	}
}

// Azurite's account and key are printed in its documentation.
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azure starts Azurite.
func Azure(t *testing.T) Server {
	program := find(t, "LOGKEEP_AZURITE", filepath.Join("azurite", "node_modules", ".bin", "azurite-blob"))
	address := free(t)
	host, port, _ := net.SplitHostPort(address)
	start(t, exec.Command(program, "--location", t.TempDir(), "--blobHost", host, "--blobPort", port, "--silent", "--disableTelemetry", "--skipApiVersionCheck"), address)
	key, err := container.NewSharedKeyCredential(azuriteAccount, azuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := container.NewClientWithSharedKeyCredential("http://"+address+"/"+azuriteAccount+"/logs", key, nil)
	if err == nil {
		_, err = logs.Create(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return Server{
		URL: fmt.Sprintf("azblob://logs/installation-1?protocol=http&domain=%s", address),
		Env: []string{"AZURE_STORAGE_ACCOUNT=" + azuriteAccount, "AZURE_STORAGE_KEY=" + azuriteKey},
	}
}

// find finds a program, in .cache of the repository's root or elsewhere.
func find(t *testing.T, variable, below string) string {
	if program := os.Getenv(variable); program != "" {
		return program
	}
	for dir, _ := os.Getwd(); dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			program := filepath.Join(dir, ".cache", below)
			if _, err := os.Stat(program); err == nil {
				return program
			}
			break
		}
	}
	t.Skipf("%s is not installed: `make object-stores` does it, or %s names it", filepath.Base(below), variable)
	return ""
}

func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server until the test ends and returns when it answers.
func start(t *testing.T, cmd *exec.Cmd, address string) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
	})
	for again := time.NewTicker(20 * time.Millisecond); ; {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case <-again.C: // none of the two says when it listens
		case <-gone:
			t.Fatalf("%s ended at its start", filepath.Base(cmd.Path))
		}
	}
}
