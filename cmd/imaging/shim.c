//go:build vips && linux

#define _GNU_SOURCE
#include "shim.h"
#include <dlfcn.h>
#include <gmodule.h>
#include <malloc.h>
#include <string.h>

#include "_cgo_export.h"

// The operations of libvips that may touch a file's bytes; all other loaders and savers
// are blocked.
static const char *const allowed[] = {
	"VipsForeignLoadJpegSource", "VipsForeignLoadPngBuffer", "VipsForeignLoadNsgifBuffer",
	"VipsForeignLoadWebpBuffer", "VipsForeignLoadTiffBuffer", "VipsForeignLoadHeifBuffer",
	"VipsForeignLoadJxlBuffer",
	"VipsForeignSaveJpegTarget", "VipsForeignSavePngTarget", "VipsForeignSaveCgifTarget",
	"VipsForeignSaveWebpTarget", "VipsForeignSaveTiffBuffer", "VipsForeignSaveHeifTarget",
	"VipsForeignSaveJxlTarget",
};

static void
quiet(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
}

// module opens one of libvips' own plugins. The libvips of a distribution may have it
// built in instead, or leave it out; engine_has tells.
static void
module(const char *name)
{
	Dl_info info;
	if (!dladdr((void *) vips_init, &info) || !info.dli_fname)
		return;
	char *folder = g_path_get_dirname(info.dli_fname);
	char *path = g_strdup_printf("%s/vips-modules-%d.%d/%s.so", folder, vips_version(0), vips_version(1), name);
	GModule *m = g_module_open(path, G_MODULE_BIND_LAZY);
	if (m)
		g_module_make_resident(m);
	g_free(path);
	g_free(folder);
}

int
engine_start(void)
{
	// libvips loads every plugin in its home folder: PDF, ImageMagick, OpenSlide. This home
	// has none.
	g_setenv("VIPSHOME", "/nonexistent", TRUE);
	if (vips_init("imaging"))
		return -1;
	g_unsetenv("VIPSHOME");
	module("vips-heif");
	module("vips-jxl");
	g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO, quiet, NULL);
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	vips_block_untrusted_set(TRUE);
	vips_operation_block_set("VipsForeign", TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(allowed); i++)
		if (g_type_from_name(allowed[i]))
			vips_operation_block_set(allowed[i], FALSE);
	return 0;
}

// engine_tidy returns memory that a job left in the C library to the system.
void
engine_tidy(void)
{
	vips_error_clear();
	malloc_trim(0);
}

int
engine_has(const char *operation)
{
	return vips_type_find("VipsOperation", operation) != 0;
}

static gint64
read_source(VipsSourceCustom *source, void *buffer, gint64 length, gpointer handle)
{
	return engineRead((guint64) (guintptr) handle, buffer, length);
}

VipsSource *
engine_source(guint64 handle)
{
	VipsSourceCustom *source = vips_source_custom_new();
	g_signal_connect(source, "read", G_CALLBACK(read_source), (gpointer) (guintptr) handle);
	return VIPS_SOURCE(source);
}

static gint64
write_target(VipsTargetCustom *target, const void *buffer, gint64 length, gpointer handle)
{
	return engineWrite((guint64) (guintptr) handle, (void *) buffer, length);
}

VipsTarget *
engine_target(guint64 handle)
{
	VipsTargetCustom *target = vips_target_custom_new();
	g_signal_connect(target, "write", G_CALLBACK(write_target), (gpointer) (guintptr) handle);
	return VIPS_TARGET(target);
}

static void
watch(VipsImage *image, VipsProgress *progress, gpointer handle)
{
	engineProgress((guint64) (guintptr) handle, progress->percent);
}

void
engine_watch(VipsImage *image, guint64 handle)
{
	vips_image_set_progress(image, TRUE);
	g_signal_connect(image, "eval", G_CALLBACK(watch), (gpointer) (guintptr) handle);
}

int
engine_load(const char *format, VipsSource *source, void *data, size_t size, LoadOptions o, VipsImage **out)
{
#define COMMON "access", VIPS_ACCESS_SEQUENTIAL, "fail_on"
	// libjpeg reports missing bytes of a JPEG as a warning, and a missing end marker is
	// harmless: the caller checks the warnings.
	if (!strcmp(format, "jpeg"))
		return vips_jpegload_source(source, out, COMMON, VIPS_FAIL_ON_TRUNCATED, "shrink", o.shrink, NULL);
	if (!strcmp(format, "png"))
		return vips_pngload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, NULL);
	if (!strcmp(format, "gif"))
		return vips_gifload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, "n", o.pages, NULL);
	if (!strcmp(format, "webp"))
		return vips_webpload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, "n", o.pages, "scale", o.scale, NULL);
	if (!strcmp(format, "tiff"))
		return vips_tiffload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, NULL);
	if (!strcmp(format, "heif"))
		return vips_heifload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, NULL);
	if (!strcmp(format, "jxl"))
		return vips_jxlload_buffer(data, size, out, COMMON, VIPS_FAIL_ON_ERROR, NULL);
#undef COMMON
	vips_error("imaging", "no loader for %s", format);
	return -1;
}

int
engine_save(const char *format, VipsImage *in, VipsTarget *target, SaveOptions o)
{
	if (!strcmp(format, "jpeg"))
		return vips_jpegsave_target(in, target, "strip", TRUE, "Q", o.quality, NULL);
	if (!strcmp(format, "png")) // a third smaller than without filters, in the same time
		return vips_pngsave_target(in, target, "strip", TRUE, "filter", VIPS_FOREIGN_PNG_FILTER_ALL, "compression", 4, NULL);
	if (!strcmp(format, "gif"))
		return vips_gifsave_target(in, target, "strip", TRUE, NULL);
	if (!strcmp(format, "webp"))
		return vips_webpsave_target(in, target, "strip", !o.profile, "Q", o.quality, "lossless", o.lossless, NULL);
	if (!strcmp(format, "avif"))
		return vips_heifsave_target(in, target, "strip", !o.profile, "Q", o.quality, "lossless", o.lossless,
			"compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, NULL);
	if (!strcmp(format, "jxl"))
		return vips_jxlsave_target(in, target, "strip", !o.profile, "Q", o.quality, "lossless", o.lossless, NULL);
	if (!strcmp(format, "tiff")) { // libtiff seeks in what it writes, which a pipe cannot
		void *file;
		size_t size;
		if (vips_tiffsave_buffer(in, &file, &size, "strip", TRUE,
				"compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor", VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, NULL))
			return -1;
		int result = vips_target_write(target, file, size) || vips_target_end(target) ? -1 : 0;
		g_free(file);
		return result;
	}
	vips_error("imaging", "no saver for %s", format);
	return -1;
}

int
engine_memory(VipsImage *in, VipsImage **out)
{
	return (*out = vips_image_copy_memory(in)) ? 0 : -1;
}

int
engine_pixels(void *data, size_t size, int width, int height, int bands, VipsBandFormat format, VipsImage **out)
{
	VipsImage *raw = vips_image_new_from_memory(data, size, width, height, bands, format);
	if (!raw)
		return -1;
	VipsInterpretation is = format == VIPS_FORMAT_USHORT
		? (bands < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16)
		: (bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB);
	int result = vips_copy(raw, out, "interpretation", is, NULL);
	g_object_unref(raw);
	return result;
}

int
engine_crop(VipsImage *in, VipsImage **out, int left, int top, int width, int height)
{
	return vips_crop(in, out, left, top, width, height, NULL);
}

static double
full(VipsImage *in)
{
	return in->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 255;
}

// Each step takes over the reference of its input and returns its result, so that steps can
// be chained; NULL passes through.
static VipsImage *
straight(VipsImage *in, VipsBandFormat format)
{
	VipsImage *rounded = NULL, *out = NULL;
	if (in && !vips_rint(in, &rounded, NULL))
		vips_cast(rounded, &out, format, NULL);
	VIPS_UNREF(rounded);
	VIPS_UNREF(in);
	return out;
}

static VipsImage *
premultiplied(VipsImage *in, double most)
{
	VipsImage *out = NULL;
	if (vips_image_hasalpha(in))
		vips_premultiply(in, &out, "max_alpha", most, NULL);
	else
		g_object_ref(out = in);
	return out;
}

static VipsImage *
unpremultiplied(VipsImage *in, gboolean alpha, double most)
{
	VipsImage *out = NULL;
	if (!in || !alpha)
		return in;
	vips_unpremultiply(in, &out, "max_alpha", most, NULL);
	VIPS_UNREF(in);
	return out;
}

// enlarged scales a picture to the same size or a larger one. vips_resize of libvips 8.14
// shifts the result by half a pixel to the right and down.
static VipsImage *
enlarged(VipsImage *in, double across, double down)
{
	VipsImage *out = NULL;
	int area[4] = { 0, 0, VIPS_RINT(in->Xsize * across), VIPS_RINT(in->Ysize * down) };
	VipsArrayInt *whole = vips_array_int_new(area, 4);
	VipsInterpolate *bicubic = vips_interpolate_new("bicubic");
	if (bicubic)
		vips_affine(in, &out, across, 0, 0, down, "interpolate", bicubic, "oarea", whole,
			"idx", 0.5, "idy", 0.5, "odx", -0.5, "ody", -0.5, "extend", VIPS_EXTEND_COPY, "premultiplied", TRUE, NULL);
	VIPS_UNREF(bicubic);
	vips_area_unref(VIPS_AREA(whole));
	return out;
}

int
engine_resize(VipsImage *in, VipsImage **out, double across, double down)
{
	gboolean alpha = vips_image_hasalpha(in);
	VipsImage *t = premultiplied(in, full(in)), *r = NULL;
	if (alpha && t) // in the samples' own format: three times as fast, without a visible loss
		t = straight(t, in->BandFmt);
	if (t)
		vips_resize(t, &r, VIPS_MIN(across, 1), "vscale", VIPS_MIN(down, 1), NULL);
	VIPS_UNREF(t);
	if (r && (across > 1 || down > 1)) {
		t = enlarged(r, VIPS_MAX(across, 1), VIPS_MAX(down, 1));
		VIPS_UNREF(r);
		r = t;
	}
	if (alpha)
		r = straight(unpremultiplied(r, alpha, full(in)), in->BandFmt);
	return (*out = r) ? 0 : -1;
}

// reach is the radius of a blur's weights: three deviations.
static const double reach = 0.0111;

static VipsImage *
blurred(VipsImage *in, double sigma)
{
	VipsImage *out = NULL;
	if (in)
		vips_gaussblur(in, &out, sigma, "min_ampl", reach, "precision", VIPS_PRECISION_FLOAT, NULL);
	return out;
}

int
engine_blur(VipsImage *in, VipsImage **out, double sigma)
{
	VipsImage *t = premultiplied(in, full(in));
	VipsImage *b = blurred(t, sigma);
	VIPS_UNREF(t);
	*out = straight(unpremultiplied(b, vips_image_hasalpha(in), full(in)), in->BandFmt);
	return *out ? 0 : -1;
}

int
engine_sharpen(VipsImage *in, VipsImage **out, double sigma, double amount)
{
	gboolean alpha = vips_image_hasalpha(in);
	VipsImage *t = premultiplied(in, full(in));
	VipsImage *b = blurred(t, sigma), *more = NULL, *less = NULL, *sum = NULL;
	if (b && !vips_linear1(t, &more, 1 + amount, 0, NULL) && !vips_linear1(b, &less, amount, 0, NULL))
		vips_subtract(more, less, &sum, NULL);
	VIPS_UNREF(t);
	VIPS_UNREF(b);
	VIPS_UNREF(more);
	VIPS_UNREF(less);
	if (sum && alpha) { // the transparency stays as it is
		VipsImage *colours = NULL, *a = NULL, *joined = NULL;
		if (!vips_extract_band(sum, &colours, 0, "n", in->Bands - 1, NULL) && !vips_extract_band(in, &a, in->Bands - 1, NULL))
			vips_bandjoin2(colours, a, &joined, NULL);
		VIPS_UNREF(colours);
		VIPS_UNREF(a);
		VIPS_UNREF(sum);
		sum = joined;
	}
	*out = straight(unpremultiplied(sum, alpha, full(in)), in->BandFmt);
	return *out ? 0 : -1;
}

int
engine_rotate(VipsImage *in, VipsImage **out, int quarters)
{
	return vips_rot(in, out, (VipsAngle) quarters, NULL);
}

int
engine_mirror(VipsImage *in, VipsImage **out)
{
	return vips_flip(in, out, VIPS_DIRECTION_HORIZONTAL, NULL);
}

int
engine_gray(VipsImage *in, VipsImage **out, int keep_bands)
{
	int n = keep_bands ? 3 : 1;
	gboolean alpha = vips_image_hasalpha(in), deep = in->BandFmt == VIPS_FORMAT_USHORT;
	VipsImage *weights = vips_image_new_matrix(3, n);
	for (int y = 0; y < n; y++) { // Rec. ITU-R BT.709
		*VIPS_MATRIX(weights, 0, y) = 0.2126;
		*VIPS_MATRIX(weights, 1, y) = 0.7152;
		*VIPS_MATRIX(weights, 2, y) = 0.0722;
	}
	VipsImage *colours = NULL, *a = NULL, *luma = NULL, *joined = NULL;
	*out = NULL;
	if (!vips_extract_band(in, &colours, 0, "n", 3, NULL) && !vips_recomb(colours, &luma, weights, NULL) &&
		(luma = straight(luma, in->BandFmt))) {
		if (!alpha)
			g_object_ref(joined = luma);
		else if (!vips_extract_band(in, &a, in->Bands - 1, NULL))
			vips_bandjoin2(luma, a, &joined, NULL);
	}
	if (joined)
		vips_copy(joined, out, "interpretation",
			n == 3 ? in->Type : deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W, NULL);
	VIPS_UNREF(weights);
	VIPS_UNREF(colours);
	VIPS_UNREF(a);
	VIPS_UNREF(luma);
	VIPS_UNREF(joined);
	return *out ? 0 : -1;
}

int
engine_white(VipsImage *in, VipsImage **out)
{
	double white = full(in);
	VipsArrayDouble *background = vips_array_double_newv(1, white);
	int result = vips_flatten(in, out, "background", background, "max_alpha", white, NULL);
	vips_area_unref(VIPS_AREA(background));
	return result;
}

int
engine_colours(VipsImage *in, VipsImage **out, VipsInterpretation to)
{
	return vips_colourspace(in, out, to, NULL);
}

int
engine_icc(VipsImage *in, VipsImage **out)
{
	return vips_icc_transform(in, out, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
		"depth", in->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8, NULL);
}

int
engine_bands(VipsImage *in, VipsImage **out, int first, int n)
{
	return vips_extract_band(in, out, first, "n", n, NULL);
}

int
engine_lowest(VipsImage *in, double *out)
{
	return vips_min(in, out, NULL);
}

// collect records the names of the metadata to remove: all but what an animation needs.
static void *
collect(VipsImage *image, const char *name, GValue *value, void *data)
{
	static const char *const keep[] = { VIPS_META_PAGE_HEIGHT, "delay", "loop", "gif-loop", "background", NULL };
	GPtrArray *names = data;
	if (!g_strv_contains(keep, name))
		g_ptr_array_add(names, g_strdup(name));
	return NULL;
}

int
engine_strip(VipsImage *in, VipsImage **out, int keep_profile)
{
	if (vips_copy(in, out, NULL))
		return -1;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	vips_image_map(*out, collect, names);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		if (!keep_profile || strcmp(name, VIPS_META_ICC_NAME))
			vips_image_remove(*out, name);
	}
	g_ptr_array_free(names, TRUE);
	return 0;
}

int
engine_stack(VipsImage **frames, int n, int page_height, VipsImage **out)
{
	VipsImage *tall = NULL;
	if (vips_arrayjoin(frames, &tall, n, "across", 1, NULL))
		return -1;
	int result = vips_copy(tall, out, NULL);
	g_object_unref(tall);
	if (!result)
		vips_image_set_int(*out, VIPS_META_PAGE_HEIGHT, page_height);
	return result;
}

int
engine_set_profile(VipsImage *in, VipsImage **out, void *data, size_t size)
{
	if (vips_copy(in, out, NULL))
		return -1;
	vips_image_set_blob_copy(*out, VIPS_META_ICC_NAME, data, size);
	return 0;
}
