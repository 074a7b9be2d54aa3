package embedded

import (
	"context"
	"image"

	"claimcheck.example/internal/imageinfo"
)

// DecodeBMP decodes a BMP file of which package imageinfo said that, for an engine whose library reads none.
func DecodeBMP(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	return decoders[imageinfo.BMP].decode(ctx, data, info)
}
