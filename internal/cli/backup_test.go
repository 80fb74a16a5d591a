package cli_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"logkeep/internal/cli"
)

// Nobody takes a backup for made that was not.
func TestABackupNeedsAFolder(t *testing.T) {
	var to []string
	commands := cli.Commands{Backup: func(_ context.Context, _ string, _ cli.BackupAction, folder, _, _ string, _ io.Writer) error {
		to = append(to, folder)
		return nil
	}}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"backup"}, 2}, {[]string{"backup", "--to", ""}, 2}, {[]string{"backup", "--vault-to", "/v"}, 2}, {[]string{"backup", "--to", "/b"}, 0},
	} {
		var errs strings.Builder
		if code := cli.Run(t.Context(), c.args, nil, io.Discard, &errs, commands); code != c.code || code != 0 && !strings.Contains(errs.String(), "no backup was made") {
			t.Errorf("%v: exit %d %s", c.args, code, &errs)
		}
	}
	if len(to) != 1 || to[0] != "/b" {
		t.Errorf("made in %v", to)
	}
}
