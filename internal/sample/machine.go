package sample

import (
	"bufio"
	"bytes"
	"context"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A Log is a log of this machine: a text file, or the system's journal.
type Log struct {
	Path string // a file, or Journal
	Size int64  // bytes; 0 for the journal
}

// Journal is the Path of the system's journal, read with journalctl.
const Journal = "journal"

// Logs lists the logs under root (a machine's /var/log) that this user may read
// and that look like text, package manager first, and the journal if it has
// entries. It changes nothing and asks for no rights.
func Logs(ctx context.Context, root string) []Log {
	var logs []Log
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // not for us: only what is readable is wanted
		}
		if info, err := entry.Info(); err == nil && info.Size() > 0 && isText(path) {
			logs = append(logs, Log{path, info.Size()})
		}
		return nil
	})
	slices.SortStableFunc(logs, func(a, b Log) int { return rank(a.Path) - rank(b.Path) })
	if out, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "--quiet", "-n", "1", "-o", "json").Output(); err == nil && bytes.HasPrefix(out, []byte("{")) {
		logs = append(logs, Log{Path: Journal})
	}
	return logs
}

func rank(path string) int {
	switch {
	case strings.HasSuffix(path, "dpkg.log"):
		return 0
	case strings.Contains(path, "/apt/"):
		return 1
	}
	return 2
}

func isText(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := f.Read(head)
	return n > 0 && bytes.IndexByte(head[:n], 0) < 0 && !bytes.HasPrefix(head, []byte("\xfd7zXZ")) && !bytes.HasPrefix(head, []byte{0x1f, 0x8b})
}

// Machine gives the last lines, at most limit of each log, as rows of the shape
// of Columns. A log that cannot be read to its end just ends. A line without a
// time of its own has that of the line before, at first the file's.
func Machine(ctx context.Context, logs []Log, limit int) iter.Seq[[]byte] {
	host, _ := os.Hostname()
	return func(yield func([]byte) bool) {
		for _, log := range logs {
			lines := fileLines(log.Path)
			if log.Path == Journal {
				lines = journalLines(ctx, limit)
			}
			last := make([]Line, 0, 1024)
			for l := range lines {
				l.Computer = host
				if len(last) == limit {
					last = slices.Delete(last, 0, (limit+1)/2)
				}
				last = append(last, l)
			}
			for _, l := range last {
				if ctx.Err() != nil || !yield(l.Row()) {
					return
				}
			}
		}
	}
}

var (
	stamp = regexp.MustCompile(`(\d{4}-\d\d-\d\d)[ T]+(\d\d:\d\d:\d\d)(\.\d+)?`)
	isodd = regexp.MustCompile(`(?i)\b(error|failed|failure|fatal|panic|warning|warn)\b`)
)

func fileLines(path string) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		at := time.Now()
		if info, err := f.Stat(); err == nil {
			at = info.ModTime()
		}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(make([]byte, 1<<16), 1<<20)
		for scanner.Scan() {
			text := strings.TrimRight(scanner.Text(), "\r\n \t")
			if text == "" {
				continue
			}
			if m := stamp.FindStringSubmatch(text); m != nil {
				if t, err := time.ParseInLocation("2006-01-02 15:04:05", m[1]+" "+m[2], time.Local); err == nil {
					at = t
				}
			}
			if !yield(Line{Time: at, Source: path, Level: level(text), Message: text}) {
				return
			}
		}
	}
}

// level guesses from the words of a line.
func level(text string) string {
	switch word := strings.ToLower(isodd.FindString(text)); word {
	case "":
		return "Information"
	case "warning", "warn":
		return "Warning"
	default:
		return "Error"
	}
}

func journalLines(ctx context.Context, limit int) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		out, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "--quiet", "-n", strconv.Itoa(limit), "-o", "json").Output()
		if err != nil {
			return
		}
		levels := []string{"Critical", "Critical", "Critical", "Error", "Warning", "Information", "Information", "Verbose"}
		for text := range bytes.Lines(out) {
			var entry struct {
				Time     string `json:"__REALTIME_TIMESTAMP"` // microseconds
				Message  any    `json:"MESSAGE"`              // a list of numbers if it is no text
				Priority string `json:"PRIORITY"`
				From     string `json:"SYSLOG_IDENTIFIER"`
			}
			if json.Unmarshal(text, &entry) != nil {
				continue
			}
			micros, err := time.ParseDuration(entry.Time + "us")
			message, ok := entry.Message.(string)
			if err != nil || !ok {
				continue
			}
			l := Line{Time: time.Unix(0, int64(micros)), Source: Journal + ":" + entry.From, Level: "Information", Message: message}
			if len(entry.Priority) == 1 && entry.Priority[0] >= '0' && entry.Priority[0] <= '7' {
				l.Level = levels[entry.Priority[0]-'0']
			}
			if !yield(l) {
				return
			}
		}
	}
}
