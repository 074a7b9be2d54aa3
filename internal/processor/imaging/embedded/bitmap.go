package embedded

import (
	"context"
	"image"

	"claimcheck.example/internal/imageinfo"
)

// DecodeBMP decodes a file that package imageinfo has found to be BMP, for an engine
// whose library reads none.
func DecodeBMP(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	return decoders[imageinfo.BMP].decode(ctx, data, info)
}
