package walk

import (
	"context"
	"fmt"
)

func (w *walker) scanAlive(ctx context.Context) error {
	return w.scan(ctx, "plaintext on disk, running")
}

// scanDead looks again after everything was killed without warning: no process
// had a chance to tidy up, or to write down what it knew.
func (w *walker) scanDead(ctx context.Context) error {
	if w.Kill == nil {
		return w.scan(ctx, "plaintext on disk, at the end")
	}
	w.Kill()
	return w.scan(ctx, "plaintext on disk, after SIGKILL")
}

func (w *walker) scan(ctx context.Context, what string) error {
	if w.Folder == "" {
		w.Show.Step(0, "%s: not looked for, the server's files are not on this machine", what)
		return nil
	}
	return w.step(ctx, scanLimit, what, func(ctx context.Context) (string, error) {
		report, err := w.scanner.Tree(ctx, w.Folder)
		if err != nil {
			return "", err
		}
		w.PlaintextHits += len(report.Hits)
		for _, hit := range report.Hits {
			w.Show.Found(hit)
		}
		if len(report.Hits) > 0 {
			return "", fmt.Errorf("%d places hold it", len(report.Hits))
		}
		return fmt.Sprintf("none in %d files, %.1f MB, %d packed streams", report.Files, float64(report.Bytes)/1e6, report.Unpacked), nil
	})
}
