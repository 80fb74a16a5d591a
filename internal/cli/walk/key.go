package walk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

// poll is the pause between two looks at something that is to happen soon.
const poll = 25 * time.Millisecond

func (w *walker) ingest(ctx context.Context) error {
	return w.step(ctx, uploadLimit, "ingest", func(ctx context.Context) (string, error) {
		start := time.Now()
		done, err := w.Server.Upload(ctx, w.target, w.Rows.marked(w.rowCanary), w.Show.Upload(w.Rows.Total))
		w.RowsIngested = done.Rows
		if err == nil && done.Rows == 0 {
			err = errors.New("there are no rows to ingest")
		}
		return fmt.Sprintf("%d rows, %.1f MB, %.0f rows/s; %s", done.Rows, float64(done.Bytes)/1e6, float64(done.Rows)/time.Since(start).Seconds(), w.Rows.From), err
	})
}

func (w *walker) query(ctx context.Context) error {
	return w.step(ctx, stepLimit, "query", func(ctx context.Context) (string, error) {
		var err error
		w.RowsQueried, err = w.countAll(ctx)
		return fmt.Sprintf("%d rows", w.RowsQueried), err
	})
}

// setEnabled enables or disables a version of the key. It returns at the moment
// the vault has answered.
func (w *walker) setEnabled(ctx context.Context, version string, enabled bool) (answered time.Time, err error) {
	keys, err := w.Server.Keys(w.vaultURI)
	if err != nil {
		return time.Time{}, err
	}
	_, err = keys.UpdateKey(ctx, keyName, version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}, nil)
	return time.Now(), err
}

// disable disables a version and waits until the worker is gone.
func (w *walker) disable(ctx context.Context, version string) (after time.Duration, err error) {
	cluster, err := w.Server.Cluster(ctx, w.clusterID)
	if err != nil {
		return 0, err
	}
	worker, err := Watch(cluster.Logkeep.Worker.PID)
	if err != nil {
		return 0, err
	}
	defer worker.Close()
	answered, err := w.setEnabled(ctx, version, false)
	if err != nil {
		return 0, err
	}
	if err := worker.Wait(ctx, func() (bool, error) { // only if the process is on another machine
		c, err := w.Server.Cluster(ctx, w.clusterID)
		return c.Logkeep.KeyState.State == "Revoked" && c.Logkeep.Worker.PID == 0, err
	}); err != nil {
		return 0, fmt.Errorf("worker %d lives on: %w", cluster.Logkeep.Worker.PID, err)
	}
	return max(0, time.Since(answered)), nil
}

// enable enables a version and waits until a query answers with every row.
func (w *walker) enable(ctx context.Context, version string) (rows int, after time.Duration, err error) {
	answered, err := w.setEnabled(ctx, version, true)
	if err != nil {
		return 0, 0, err
	}
	err = Every(ctx, poll, func() error {
		rows, err = w.count(ctx)
		return err
	})
	if err == nil && rows != w.RowsIngested {
		err = fmt.Errorf("%d rows where %d were ingested", rows, w.RowsIngested)
	}
	return rows, time.Since(answered), err
}

func (w *walker) revoke(ctx context.Context) error {
	return w.step(ctx, stepLimit, "disable the key", func(ctx context.Context) (string, error) {
		after, err := w.disable(ctx, w.key)
		w.RevokedAfterMs = after.Milliseconds()
		return fmt.Sprintf("the worker, and with it every readable byte, was gone %d ms after the vault's answer", w.RevokedAfterMs), err
	})
}

func (w *walker) lookWhileRevoked(ctx context.Context) error {
	if err := w.step(ctx, stepLimit, "query without the key", func(ctx context.Context) (string, error) {
		_, err := w.count(ctx)
		var told string
		w.QueryWhileRevoked, told, err = refused(err)
		return told, err
	}); err != nil {
		return err
	}
	return w.step(ctx, stepLimit, "ingest without the key", func(ctx context.Context) (string, error) {
		_, err := w.Server.Upload(ctx, w.target, first(w.Rows.marked(w.rowCanary)), nil)
		var told string
		w.IngestWhileRevoked, told, err = refused(err)
		return told, err
	})
}

// refused insists that err is the server's refusal because of the key.
func refused(err error) (code, told string, _ error) {
	if err == nil {
		return "", "", errors.New("it worked; it must not")
	}
	f, ok := client.FailureOf(err)
	if !ok {
		return "", "", err
	}
	if f.Code != client.KeyRevoked {
		return f.Code, "", fmt.Errorf("refused with %d %s, want %s: %s", f.Status, f.Code, client.KeyRevoked, f.Message)
	}
	return f.Code, fmt.Sprintf("%d %s", f.Status, f.Code), nil
}

func (w *walker) restore(ctx context.Context) error {
	return w.step(ctx, stepLimit, "enable the key", func(ctx context.Context) (string, error) {
		rows, after, err := w.enable(ctx, w.key)
		w.RowsAfterRestore, w.RestoredAfterMs = rows, after.Milliseconds()
		return fmt.Sprintf("%d rows are back %d ms after the vault's answer", rows, w.RestoredAfterMs), err
	})
}

func (w *walker) rotate(ctx context.Context) error {
	return w.step(ctx, stepLimit, "rotate the key", func(ctx context.Context) (string, error) {
		keys, err := w.Server.Keys(w.vaultURI)
		if err != nil {
			return "", err
		}
		rotated, err := keys.RotateKey(ctx, keyName, nil)
		if err != nil {
			return "", err
		}
		start := time.Now()
		w.RotatedTo = rotated.Key.KID.Version()
		err = Every(ctx, poll, func() error {
			c, err := w.Server.Cluster(ctx, w.clusterID)
			if err == nil && (!strings.HasSuffix(c.Logkeep.KeyState.KeyVersion, w.RotatedTo) || c.Logkeep.KeyState.State != "Active") {
				err = fmt.Errorf("the cluster uses version %q in state %q", c.Logkeep.KeyState.KeyVersion, c.Logkeep.KeyState.State)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		took := time.Since(start)
		w.RowsAfterRotation, err = w.countAll(ctx)
		return fmt.Sprintf("version %s took over in %d ms; %d rows, none rewritten", w.RotatedTo, took.Milliseconds(), w.RowsAfterRotation), err
	})
}

// dropOldVersion proves that the old version is not needed: with it disabled,
// the new one is disabled as well, which ends the worker, and enabled again. The
// worker that comes then can have its keys from the new version only.
func (w *walker) dropOldVersion(ctx context.Context) error {
	return w.step(ctx, 2*stepLimit, "without the old version", func(ctx context.Context) (string, error) {
		w.OldVersionStillNeeded = true // until it is shown that it is not
		old := w.key
		if _, err := w.setEnabled(ctx, old, false); err != nil {
			return "", err
		}
		if _, err := w.countAll(ctx); err != nil {
			return "", err
		}
		before, err := w.Server.Cluster(ctx, w.clusterID)
		if err != nil {
			return "", err
		}
		if _, err := w.disable(ctx, w.RotatedTo); err != nil {
			return "", err
		}
		rows, _, err := w.enable(ctx, w.RotatedTo)
		if err != nil {
			return "", err
		}
		after, err := w.Server.Cluster(ctx, w.clusterID)
		if err != nil {
			return "", err
		}
		if pid := after.Logkeep.Worker.PID; pid == 0 || pid == before.Logkeep.Worker.PID {
			return "", fmt.Errorf("worker %d, not a new one after %d, answered; this shows nothing", pid, before.Logkeep.Worker.PID)
		}
		w.OldVersionStillNeeded = false
		w.key = w.RotatedTo
		_, err = w.setEnabled(ctx, old, true)
		return fmt.Sprintf("a new worker opened everything with the new one alone; %d rows", rows), err
	})
}

func first(rows iter.Seq2[[]byte, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for row, err := range rows {
			yield(row, err)
			return
		}
	}
}
