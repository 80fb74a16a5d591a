package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
	"logkeep/internal/report"
)

// poll is the pause between two looks at something that is to happen soon.
const poll = 25 * time.Millisecond

// setEnabled enables or disables a version of the drill's key. It returns when
// the call was sent and when the vault had answered.
func (d *driller) setEnabled(ctx context.Context, version string, enabled bool) (sent, answered time.Time, err error) {
	keys, err := d.Server.Keys(d.vaultURI)
	if err != nil {
		return sent, answered, err
	}
	sent = time.Now()
	_, err = keys.UpdateKey(ctx, d.name, version, azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}, nil)
	return sent, time.Now(), err
}

func (d *driller) revokeFirst(ctx context.Context) error {
	r, err := d.revocation(ctx)
	d.measured.Revocations = append(d.measured.Revocations, r)
	return err
}

// revocation disables the version in use and enables it again.
func (d *driller) revocation(ctx context.Context) (r report.Revocation, err error) {
	r.Version = d.version
	var disabled, answered, enabling, enabled time.Time
	if err := d.step(ctx, "disable the key", func(ctx context.Context) (string, error) {
		now, err := d.Server.Cluster(ctx, d.cluster.ID)
		if err != nil {
			return "", err
		}
		r.WorkerPID = now.Logkeep.Worker.PID
		worker, err := watch(r.WorkerPID)
		if err != nil {
			return "", err
		}
		defer worker.Close()
		r.WorkerWatched = worker.Here()
		seen := make(chan error, 2)
		for _, query := range []bool{true, false} {
			go func() { seen <- d.load.until(ctx, func(q request) bool { return q.query == query && q.refused() }) }()
		}
		if disabled, answered, err = d.setEnabled(ctx, d.version, false); err != nil {
			return "", err
		}
		r.DisabledAt = answered.UTC()
		if err := worker.Wait(ctx, func() (bool, error) {
			c, err := d.Server.Cluster(ctx, d.cluster.ID)
			return c.Logkeep.KeyState.State == "Revoked" && c.Logkeep.Worker.PID == 0, err
		}); err != nil {
			return "", fmt.Errorf("worker %d lives on: %w", r.WorkerPID, err)
		}
		r.WorkerGoneMs = after(answered, time.Now())
		for range 2 {
			if err := <-seen; err != nil {
				return "", fmt.Errorf("requests are not refused: %w", err)
			}
		}
		if err := d.hold(ctx); err != nil { // in the dark, and still asking
			return "", err
		}
		return fmt.Sprintf("the worker was gone %d ms after the vault's answer", r.WorkerGoneMs), nil
	}); err != nil {
		return r, err
	}
	return r, d.step(ctx, "enable the key", func(ctx context.Context) (string, error) {
		back := make(chan error, 2)
		for _, query := range []bool{true, false} {
			go func() { back <- d.load.until(ctx, func(q request) bool { return q.query == query && q.ok() }) }()
		}
		var err error
		if enabling, enabled, err = d.setEnabled(ctx, d.version, true); err != nil {
			return "", err
		}
		r.EnabledAt = enabled.UTC()
		for range 2 {
			if err := <-back; err != nil {
				return "", fmt.Errorf("nothing comes back: %w", err)
			}
		}
		if err := d.hold(ctx); err != nil {
			return "", err
		}
		count(&r, d.load.since(disabled), answered, enabling, enabled)
		if r.Rows, err = d.rows(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("queries refused after %d ms, ingestion after %d ms; answers %d ms after the key was back, %d rows of %d", r.FirstRefusedQueryMs, r.FirstRefusedIngestionMs,
			r.FirstAnswerMs, r.Rows.Acknowledged-r.Rows.Missing, r.Rows.Acknowledged), nil
	})
}

// watch watches the worker's process where it is one of this machine.
func watch(pid int) (walk.Watched, error) {
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); pid > 0 && (err != nil || !bytes.Contains(line, []byte("\x00worker\x00"))) {
		return walk.Elsewhere(), nil // the number is that of another machine's process
	}
	return walk.Watch(pid)
}

func after(from, to time.Time) int64 { return max(0, to.Sub(from)).Milliseconds() }

// count reads from the load's requests what a revocation did to them. The key
// was off from answered to enabling, and on from enabled.
func count(r *report.Revocation, requests []request, answered, enabling, enabled time.Time) {
	first := map[bool]time.Time{} // when the first was refused, queries and ingestions
	for _, q := range requests {
		if at, ok := first[q.query]; q.refused() && (!ok || q.done.Before(at)) {
			first[q.query] = q.done
		}
	}
	back := map[bool]time.Time{}
	for _, q := range requests {
		dark := q.done.Before(enabling) // what is answered later may have met the key
		refused, known := first[q.query]
		again := known && q.ok() && q.sent.After(refused) && dark
		switch {
		case q.refused():
			if q.query {
				r.RefusedQueries++
			} else {
				r.RefusedIngestions++
			}
		case !q.ok():
			r.OtherFailures++
		case q.query && dark:
			r.LastAnswerWithRowsMs = max(r.LastAnswerWithRowsMs, after(answered, q.done))
			if again {
				r.AnswersAfterRefusal++
			}
		case dark:
			r.LastAcknowledgementMs = max(r.LastAcknowledgementMs, after(answered, q.done))
			if again {
				r.AcknowledgedAfterRefusal++
			}
		default:
			if at, ok := back[q.query]; !ok || q.done.Before(at) {
				back[q.query] = q.done
			}
		}
	}
	r.FirstRefusedQueryMs, r.FirstRefusedIngestionMs = after(answered, first[true]), after(answered, first[false])
	r.FirstAnswerMs, r.FirstAcknowledgementMs = after(enabled, back[true]), after(enabled, back[false])
}

func (d *driller) rotate(ctx context.Context) error {
	r := &d.measured.Rotation
	return d.step(ctx, "rotate the key", func(ctx context.Context) (string, error) {
		keys, err := d.Server.Keys(d.vaultURI)
		if err != nil {
			return "", err
		}
		began := time.Now()
		rotated, err := keys.RotateKey(ctx, d.name, nil)
		if err != nil {
			return "", err
		}
		answered := time.Now()
		r.From, r.To = d.version, rotated.Key.KID.Version()
		if err := walk.Every(ctx, poll, func() error {
			c, err := d.Server.Cluster(ctx, d.cluster.ID)
			if k := c.Logkeep.KeyState; err == nil && (!strings.HasSuffix(k.KeyVersion, r.To) || k.State != "Active") {
				err = fmt.Errorf("the cluster uses version %q in state %q", k.KeyVersion, k.State)
			}
			return err
		}); err != nil {
			return "", err
		}
		r.TookMs = after(answered, time.Now())
		d.version = r.To
		if r.Rows, err = d.rows(ctx); err != nil {
			return "", err
		}
		if err := walk.Every(ctx, poll, func() error { return d.census(ctx) }); err != nil {
			return "", err
		}
		if _, _, err := d.setEnabled(ctx, r.From, false); err != nil {
			return "", err
		}
		r.OldVersion.Disabled = true
		if err := d.hold(ctx); err != nil {
			return "", err
		}
		for _, q := range d.load.since(began) {
			switch {
			case q.ok():
			case q.query:
				r.FailedQueries++
			default:
				r.FailedIngestions++
			}
		}
		return fmt.Sprintf("version %s took over in %d ms; the old one is disabled; %d queries and %d ingestions failed meanwhile", r.To, r.TookMs, r.FailedQueries, r.FailedIngestions), nil
	})
}

// census asks whether the version before is needed.
func (d *driller) census(ctx context.Context) error {
	r := &d.measured.Rotation
	uses, _, err := d.Server.Census(ctx, d.cluster.ID)
	if err != nil {
		return err
	}
	for _, u := range uses {
		if strings.HasSuffix(u.KID, "/"+r.From) {
			r.OldVersion.SafeToDisable, r.OldVersion.Reason = u.SafeToDisable, u.Reason
			if !u.SafeToDisable {
				return fmt.Errorf("the census says of the version before: %s", u.Reason)
			}
			return nil
		}
	}
	return errors.New("the census does not know the version before")
}

// revokeWithoutOld revokes again while the version before is disabled: the worker
// that comes then can have its keys from the new version only.
func (d *driller) revokeWithoutOld(ctx context.Context) error {
	r, err := d.revocation(ctx)
	d.measured.Revocations = append(d.measured.Revocations, r)
	if err != nil {
		return err
	}
	var now client.Cluster
	if now, err = d.Server.Cluster(ctx, d.cluster.ID); err == nil {
		pid := now.Logkeep.Worker.PID
		d.measured.Rotation.OldVersion.NewWorker = pid != 0 && pid != r.WorkerPID
	}
	return err
}
