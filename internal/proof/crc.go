package proof

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// CRC returns the CRC-32 of data as in S3's headers: base64 of the big-endian bytes.
func CRC(data []byte) *string { return EncodeCRC(crc32.ChecksumIEEE(data)) }

// EncodeCRC returns a CRC-32 as in S3's headers.
func EncodeCRC(crc uint32) *string {
	s := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
	return &s
}
