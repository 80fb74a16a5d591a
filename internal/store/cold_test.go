package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// A distant bucket answers after a while, and counts what is asked of it at a time.
type distant struct {
	*buckettest.Memory
	trip           time.Duration
	now, most, all atomic.Int64
}

func (d *distant) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	d.all.Add(1)
	n := d.now.Add(1)
	defer d.now.Add(-1)
	for m := d.most.Load(); n > m && !d.most.CompareAndSwap(m, n); m = d.most.Load() {
	}
	time.Sleep(d.trip)
	return d.Memory.ReadAt(ctx, name, p, off)
}

// The first query of an account in a bucket, of which nothing is at hand, waits for
// the way to the bucket a few times and not for each of its segments; and what it asks
// for at a time is bounded.
func TestAColdQueryOverABucketReadsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const segments, trip = 48, 100 * time.Millisecond
		d, c := &distant{Memory: buckettest.New()}, &catalog{}
		dir, err := bucket.Claim(t.Context(), d, "c-0", func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		cfg := must(store.InBucket(t.Context(), config(t, nil, c), dir))
		cfg.MergeAfter, cfg.FlushAge = 1000, time.Hour
		s := open(t, cfg)
		var want []int
		for i := range segments {
			appendRows(t, s, rows(narrow, i))
			flush(t, s)
			want = append(want, i)
		}
		mark := s.Mark()
		s.Close()
		d.trip = trip
		d.all.Store(0)
		d.most.Store(0)
		fc := config(t, bucket.View(d, "c-0"), &catalog{})
		fc.Dir, fc.Cache = ".", segment.NewCache(1<<30)
		fc.Cache.Far()
		f := store.Follow(fc, func(context.Context, uint64) (store.Manifest, error) { return c.manifest(), nil })
		defer f.Close()
		begin := time.Now()
		all, err := seen(t, f, mark)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, all, want...)
		took := time.Since(begin)
		told := fmt.Sprintf("%d segments, %d reads, %d at a time, %v", segments, d.all.Load(), d.most.Load(), took)
		t.Log(told)
		if one := time.Duration(d.all.Load()) * trip; took > one/8 || d.most.Load() > 64 {
			t.Error(told)
		}
	})
}
