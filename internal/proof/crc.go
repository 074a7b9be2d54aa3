package proof

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// CRC is the CRC-32 of data as S3's headers have it: base64 of the big-endian bytes.
func CRC(data []byte) *string { return EncodeCRC(crc32.ChecksumIEEE(data)) }

// EncodeCRC is a CRC-32 as S3's headers have it.
func EncodeCRC(crc uint32) *string {
	s := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
	return &s
}
