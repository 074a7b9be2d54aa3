#pragma once

#include <vips/vips.h>

// The functions of libvips that the engine needs, with fixed parameters, since cgo cannot
// call variadic functions. Each returns zero, or -1 with the reason in vips_error_buffer().
// The caller unrefs the image that it gets.

typedef struct {
	int shrink;   // of a JPEG: 1, 2, 4 or 8
	double scale; // of a WebP: up to 1
	int pages;    // -1: all
} LoadOptions;

typedef struct {
	int quality;
	int lossless;
	int profile; // is to be written
} SaveOptions;

int engine_start(void);
void engine_tidy(void);
int engine_has(const char *operation);

VipsSource *engine_source(guint64 handle);
VipsTarget *engine_target(guint64 handle);
void engine_watch(VipsImage *image, guint64 handle);

int engine_load(const char *format, VipsSource *source, void *data, size_t size, LoadOptions o, VipsImage **out);
int engine_save(const char *format, VipsImage *in, VipsTarget *target, SaveOptions o);

int engine_memory(VipsImage *in, VipsImage **out);
int engine_pixels(void *data, size_t size, int width, int height, int bands, VipsBandFormat format, VipsImage **out);
int engine_crop(VipsImage *in, VipsImage **out, int left, int top, int width, int height);
int engine_resize(VipsImage *in, VipsImage **out, double across, double down);
int engine_rotate(VipsImage *in, VipsImage **out, int quarters);
int engine_mirror(VipsImage *in, VipsImage **out);
int engine_gray(VipsImage *in, VipsImage **out, int keep_bands);
int engine_blur(VipsImage *in, VipsImage **out, double sigma);
int engine_sharpen(VipsImage *in, VipsImage **out, double sigma, double amount);
int engine_white(VipsImage *in, VipsImage **out);
int engine_colours(VipsImage *in, VipsImage **out, VipsInterpretation to);
int engine_icc(VipsImage *in, VipsImage **out);
int engine_lowest(VipsImage *in, double *out);
int engine_bands(VipsImage *in, VipsImage **out, int first, int n);
int engine_strip(VipsImage *in, VipsImage **out, int keep_profile);
int engine_stack(VipsImage **frames, int n, int page_height, VipsImage **out);
int engine_set_profile(VipsImage *in, VipsImage **out, void *data, size_t size);
