package canary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Hit is a canary that could be read.
type Hit struct {
	Path     string   // the file
	Offset   int64    // where in the file, or in what was unpacked from it
	Canary   int      // which of the Scanner's texts
	Disguise Disguise // how, such as "zstd@96: utf-8"
}

func (h Hit) String() string {
	return fmt.Sprintf("%s at %d: canary %d as %s", h.Path, h.Offset, h.Canary, h.Disguise)
}

// A Report says what was read and what was found.
type Report struct {
	Files    int   // regular files read
	Bytes    int64 // bytes of them
	Unpacked int   // gzip and zstd streams and Parquet files found inside
	Hits     []Hit
}

// Tree scans every regular file under root.
func (s *Scanner) Tree(ctx context.Context, root string) (Report, error) {
	var report Report
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		s.find([]byte(filepath.Base(path)+string(make([]byte, stride))), func(_ int, p pattern) {
			report.Hits = append(report.Hits, Hit{Path: path, Canary: p.canary, Disguise: "file name: " + p.disguise})
		})
		if !entry.Type().IsRegular() {
			return nil
		}
		return s.file(path, &report)
	})
	if err != nil {
		return Report{}, fmt.Errorf("look for canaries under %s: %w", root, err)
	}
	return report, nil
}

func (s *Scanner) file(path string, report *Report) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	report.Files++
	report.Bytes += info.Size()
	v := visit{scanner: s, path: path, report: report}
	if err := v.content(f, info.Size(), 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// A visit is the scan of one file and of all that is packed inside it.
type visit struct {
	scanner *Scanner
	path    string
	report  *Report
	inside  Disguise // what was unpacked to get here
}

const window = 1 << 20

// The first bytes of what can be unpacked.
var (
	gzipMagic    = []byte{0x1f, 0x8b, 0x08}
	zstdMagic    = []byte{0x28, 0xb5, 0x2f, 0xfd}
	parquetMagic = []byte("PAR1")
)

// content scans size bytes of r, then whatever in them can be unpacked.
func (v visit) content(r io.ReaderAt, size int64, depth int) error {
	var packed packages
	keep := v.scanner.longest - 1 // an occurrence may lie across two windows
	buffer := make([]byte, min(size, window)+int64(keep))
	for at := int64(0); at < size; {
		carried := min(int64(keep), at)
		n, err := r.ReadAt(buffer[:carried+min(window, size-at)], at-carried)
		if err != nil && err != io.EOF {
			return err
		}
		if int64(n) <= carried {
			break // the file became shorter
		}
		text := buffer[:n]
		v.scanner.find(text, func(offset int, p pattern) {
			if int64(offset+len(p.bytes)) <= carried {
				return // seen in the window before
			}
			v.hit(at-carried+int64(offset), p)
		})
		packed.look(text, at-carried, int(carried))
		at += int64(n) - carried
	}
	if depth == maxDepth {
		return nil
	}
	return v.unpack(r, size, packed, depth+1)
}

func (v visit) hit(offset int64, p pattern) {
	v.report.Hits = append(v.report.Hits, Hit{Path: v.path, Offset: offset, Canary: p.canary, Disguise: v.inside + p.disguise})
}

// packages are the offsets at which something packed may begin.
type packages struct{ gzip, zstd, parquet []int64 }

// look notes the magic numbers in text, which lies at base, except those that
// end within the bytes carried over from the text before.
func (p *packages) look(text []byte, base int64, carried int) {
	for _, kind := range []struct {
		magic []byte
		found *[]int64
	}{{gzipMagic, &p.gzip}, {zstdMagic, &p.zstd}, {parquetMagic, &p.parquet}} {
		from := max(0, carried-len(kind.magic)+1)
		for {
			i := bytes.Index(text[from:], kind.magic)
			if i < 0 {
				break
			}
			*kind.found = append(*kind.found, base+int64(from+i))
			from += i + 1
		}
	}
}
