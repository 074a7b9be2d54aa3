#!/bin/sh
# Makes the reference pictures anew, by programs that are not ours: see README.md.
# Needs ImageMagick 6 (convert-im6.q16) and libvips (vips). Run it in this directory.
set -eu
im=convert-im6.q16

# What is processed.
$im rainier.jpg -auto-orient -resize 144x192 -strip scene.png
$im scene.png -quality 92 scene.jpg
$im scene.png -colorspace CMYK -quality 92 cmyk.jpg
$im scene.png -depth 16 -evaluate multiply 0.11 -resize 72x96 deep.png
$im scene.png -resize 72x96 deep.tiff
$im scene.png -resize 72x96 plain.bmp
$im scene.png -resize 72x96 few.gif
$im scene.png \( -size 144x192 radial-gradient:white-black \) -alpha off -compose CopyOpacity -composite alpha.png
vips icc_transform scene.png 'p3.jpg[Q=92]' p3 --input-profile srgb
vips copy scene.png 'lossy.webp[Q=85]'
vips copy alpha.png 'lossy-alpha.webp[Q=85]'

# What should come of it.
$im rainier.jpg -auto-orient -resize 90x90 -strip want-fit.png
$im scene.png -resize '60x60^' -gravity center -extent 60x60 want-fill.png
$im scene.png -crop 100x80+20+30 +repage -rotate 90 -flop want-crop-rotate-flip.png
$im scene.png -filter Lanczos -resize '100x50!' want-resize.png
$im scene.png -filter Lanczos -resize 250x want-enlarge.png
$im scene.png -grayscale Rec709Luma want-grayscale.png
$im scene.png -blur 0x2 want-blur.png
$im scene.png -unsharp 0x1.5+1+0 want-sharpen.png
$im cmyk.jpg -colorspace sRGB -resize 72x96 want-cmyk.png
$im deep.png -resize 36x48 want-deep.png
$im deep.tiff -resize 36x48 want-tiff.png
$im plain.bmp -resize 36x48 want-bmp.png
$im few.gif -resize 36x48 want-gif.png
$im alpha.png -resize 36x48 want-alpha.png
vips icc_transform p3.jpg want-p3.png srgb --embedded
vips copy lossy.webp want-lossy.png
vips copy lossy-alpha.webp want-lossy-alpha.png
