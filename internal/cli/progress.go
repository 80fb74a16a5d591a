package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"logkeep/internal/cli/client"
)

// progress shows an upload: a bar on a terminal, and elsewhere a line now and
// then, which a log file can keep.
type progress struct {
	out   io.Writer
	total int // rows; 0 if not known
	bar   *progressbar.ProgressBar
	next  int // rows at which the next plain line is due
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, next: lineEvery(total, 0)}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		most := int64(total)
		if total == 0 {
			most = -1 // a spinner
		}
		p.bar = progressbar.NewOptions64(most, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("uploading"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	}
	return p
}

// lineEvery is when the line after one at rows is due: at every quarter, or
// where the total is not known at every 100,000 rows.
func lineEvery(total, rows int) int {
	part := 100_000
	if total > 0 {
		part = max(total/4, 1)
	}
	return (rows/part + 1) * part
}

func (p *progress) show(done client.Uploaded) {
	switch {
	case p.bar != nil:
		p.bar.Set(done.Rows) // a bar that fails to draw is no failure
	case done.Rows >= p.next:
		p.next = lineEvery(p.total, done.Rows)
		if p.total > 0 {
			fmt.Fprintf(p.out, "    uploaded %d of %d rows\n", done.Rows, p.total)
		} else {
			fmt.Fprintf(p.out, "    uploaded %d rows, %.1f MB\n", done.Rows, float64(done.Bytes)/1e6)
		}
	}
}

func (p *progress) end(client.Uploaded) {
	if p.bar != nil {
		p.bar.Finish()
	}
}
