package vault_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/vault"
	"logkeep/internal/vault/admin"
)

// process is a vault process: its folder is dir, its sockets are in the folder
// that stands in standard input's first line. It prints the data socket's
// address and serves until it is killed.
func process(dir string) int {
	sockets, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return 2
	}
	sockets = strings.TrimSpace(sockets)
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 2
	}
	socket, err := net.Listen("unix", filepath.Join(sockets, "a"))
	if err != nil {
		return 2
	}
	fmt.Println(data.Addr())
	if err := vault.Run(context.Background(), vault.Config{
		Dir: dir, Domain: domain, Port: port, RootKey: rootKey(), Data: data, Admin: socket, Keeper: filepath.Join(sockets, "k"),
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// spawn starts a vault as a process of its own. Nobody is at its keeper's
// socket: notices are lost, and changes must be made all the same.
func spawn(t *testing.T, dir string) (*running, *os.Process) {
	t.Helper()
	sockets, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VAULT_TEST_PROCESS="+dir)
	cmd.Stdin = strings.NewReader(sockets + "\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); os.RemoveAll(sockets) })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r := &running{admin: admin.NewClient(filepath.Join(sockets, "a")), data: strings.TrimSpace(address)}
	t.Cleanup(r.admin.Close)
	if err := r.admin.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, cmd.Process
}

// Every change is on the disk before it is answered: the process is killed the
// moment it has answered, and the next one knows.
func TestWhatWasAnsweredSurvivesAKill(t *testing.T) {
	ctx, dir := t.Context(), prepared(t)
	const policies = `"accessPolicies":[{"tenantId":"` + tenant + `","objectId":"alice","permissions":{"keys":["all"]}}]`
	var unwrap azkeys.KeyOperationParameters
	var version string
	enabled := func(c *azkeys.Client, on bool) error {
		_, err := c.UpdateKey(ctx, "kek", version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(on)}}, nil)
		return err
	}
	for _, step := range []struct {
		name   string
		do     func(r *running, c *azkeys.Client) error
		status int // of an unwrap afterwards, in another process
	}{
		{"create", func(r *running, c *azkeys.Client) error {
			r.makeVault(t, policies)
			k, err := c.CreateKey(ctx, "kek", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA)}, nil)
			if err != nil {
				return err
			}
			version = k.Key.KID.Version()
			w, err := c.WrapKey(ctx, "kek", "", azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: []byte("x")}, nil)
			unwrap = azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: w.Result}
			return err
		}, http.StatusOK},
		{"disable", func(_ *running, c *azkeys.Client) error { return enabled(c, false) }, http.StatusForbidden},
		{"enable", func(_ *running, c *azkeys.Client) error { return enabled(c, true) }, http.StatusOK},
		{"delete", func(_ *running, c *azkeys.Client) error { _, err := c.DeleteKey(ctx, "kek", nil); return err }, http.StatusNotFound},
		{"recover", func(_ *running, c *azkeys.Client) error { _, err := c.RecoverDeletedKey(ctx, "kek", nil); return err }, http.StatusOK},
		{"delete the vault", func(r *running, _ *azkeys.Client) error {
			return r.admin.DeleteVault(ctx, admin.Request{ID: vaultID, Tenant: tenant})
		}, http.StatusNotFound},
	} {
		r, p := spawn(t, dir)
		if err := step.do(r, r.keys(t, vaultURL, tenant, "alice")); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		p.Wait()
		r, p = spawn(t, dir)
		_, err := r.keys(t, vaultURL, tenant, "alice").UnwrapKey(ctx, "kek", version, unwrap, nil)
		switch step.status {
		case http.StatusOK:
			if err != nil {
				t.Errorf("after %s: %v", step.name, err)
			}
		case http.StatusForbidden:
			refusedWith(t, err, step.status, "Forbidden")
		default:
			code := "KeyNotFound"
			if strings.HasSuffix(step.name, "vault") {
				code = "VaultNotFound"
			}
			refusedWith(t, err, step.status, code)
		}
		p.Kill()
		p.Wait()
	}
}
