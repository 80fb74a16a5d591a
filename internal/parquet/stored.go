package parquet

import (
	"encoding/binary"
	"fmt"

	"github.com/DataDog/zstd"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// Pages of codes are bits that hardly pack: beginning to unpack one takes longer than
// decrypting what packing saves. Where it does not halve them they are stored as they
// are, in a frame of zstd of one raw block, which every reader knows and ours finds
// without zstd. So are other pages that hardly become smaller, as those of differences.
//
//	frame = magic(4) flags(1) [window(1)] [size] block
//	block = last, raw, size (3)  bytes

// tryAgain is from how many pages on one is tried to be packed again, after
// one that was not worth it.
const tryAgain = 8

// pack packs what a page has, if that is worth it.
func (p *Writer) pack(k *chunk, kind int, body []byte, encoding parquetgo.Encoding) (packed []byte, err error) {
	if k.texts && kind == typeDictionary && encoding == parquetgo.Encodings.Plain && len(body) >= leastSections {
		p.packed, err = packSections(p.packed[:0], body)
		return p.packed, err
	}
	data := kind == typeData && len(body) <= zstdBlock
	if data && k.loose > 0 {
		k.loose--
		p.packed = appendStored(p.packed[:0], body)
		return p.packed, nil
	}
	if p.packed, err = zstd.CompressLevel(p.packed[:cap(p.packed)], body, level); err != nil {
		return nil, fmt.Errorf("compress a page: %w", err)
	}
	most := len(body) - len(body)/packGain // what a page may be that is worth to be unpacked
	if encoding == parquetgo.Encodings.RLEDict {
		most = len(body) / 2
	}
	if data && len(p.packed) > most {
		k.loose = tryAgain - 1
		p.packed = appendStored(p.packed[:0], body)
	}
	return p.packed, nil
}

// appendStored appends a frame of one raw block, of at most zstdBlock bytes.
func appendStored(b, body []byte) []byte {
	b = put32(b, zstdMagic)
	n := len(body)
	switch { // of one segment, which is as large as the size, of 1, 2 or 4 bytes
	case n < 256:
		b = append(b, 0<<6|1<<5, byte(n))
	case n < 256+1<<16:
		b = binary.LittleEndian.AppendUint16(append(b, 1<<6|1<<5), uint16(n-256))
	default:
		b = put32(append(b, 2<<6|1<<5), uint32(n))
	}
	return append(append(b, byte(n<<3|1), byte(n>>5), byte(n>>13)), body...)
}

// stored is what a frame has, if that is one raw block of so many bytes and nothing
// else. It lies in the frame.
func stored(frame []byte, size int) (body []byte, ok bool) {
	f := openFrame(frame)
	if f.first == 0 || len(frame) != f.first+blockHeader+size {
		return nil, false
	}
	head := int(frame[f.first]) | int(frame[f.first+1])<<8 | int(frame[f.first+2])<<16
	return frame[f.first+blockHeader:], head == size<<3|1
}
