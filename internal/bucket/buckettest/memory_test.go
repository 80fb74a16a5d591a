package buckettest_test

import (
	"testing"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
)

func TestMemory(t *testing.T) {
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return buckettest.New() })
}
