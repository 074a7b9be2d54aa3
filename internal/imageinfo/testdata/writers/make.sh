#!/bin/sh
# Makes the pictures beside it, by the tools of Debian 12 (libheif-examples, libavif-bin,
# libjxl-tools, libvips-tools), of the scene in ../cases.
set -eu
cd "$(dirname "$0")"
t=$(mktemp -d)
trap 'rm -r "$t"' EXIT
scene=../cases/scene.png
vips resize $scene "$t/odd.png" 1.0521 # 101 x 67
vips bandjoin_const $scene "$t/alpha.png" 128
vips extract_area $scene "$t/tile.png" 0 0 64 64
for i in 0 1 2; do cp $scene "$t/$i.png"; done

heif-enc -q 20 "$t/odd.png" -o odd-clap.heic
heif-enc -q 20 "$t/alpha.png" -o alpha.heic
heif-enc -q 20 ../cases/27-exif-thumbnail.jpg -o exif-orientation-6.heic
heif-enc -q 20 $scene "$t/odd.png" -o two-pictures.heic
avifenc -s 8 --min 50 --max 60 --grid 2x2 "$t/tile.png" "$t/tile.png" "$t/tile.png" "$t/tile.png" grid.avif
avifenc -s 8 --min 50 --max 60 --irot 1 --imir 0 $scene turned-mirrored.avif
avifenc -s 8 --min 50 --max 60 --clap 32,1,18,1,0,1,0,1 --irot 3 $scene clap-turned.avif
avifenc -s 8 --min 50 --max 60 "$t/0.png" "$t/1.png" "$t/2.png" sequence.avif
avifenc -s 8 --min 50 --max 60 "$t/alpha.png" "$t/alpha.png" sequence-alpha.avif
avifenc -s 8 --min 50 --max 60 -d 10 $scene 10-bits.avif
cjxl -q 20 "$t/odd.png" bare.jxl
cjxl -q 20 --container=1 $scene boxed.jxl
cjxl -j 0 -q 20 ../cases/27-exif-thumbnail.jpg orientation-6.jxl
vips copy $scene "$t/scene.jpg[Q=30,strip]"
cjxl "$t/scene.jpg" jpeg-inside.jxl
vips black "$t/1x1.png" 1 1
cjxl -d 0 "$t/1x1.png" 1x1.jxl
convert -delay 10 "$t/0.png" "$t/alpha.png" "$t/animation.gif"
cjxl -q 20 "$t/animation.gif" animated.jxl
