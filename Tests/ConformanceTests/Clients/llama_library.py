"""llama.cpp through its C interface, as far as the comparisons need it.

The package xllamacpp carries the library and wraps its server alone; logits of every position
and the rows between layers come from the functions of llama.h. The structures below are those of
the pinned release: their defaults are checked, so that another layout is noticed.
"""

import ctypes
import pathlib

import numpy
import xllamacpp

VOID, FLOAT, BOOL = ctypes.c_void_p, ctypes.c_float, ctypes.c_bool
INT, UINT, SIZE = ctypes.c_int32, ctypes.c_uint32, ctypes.c_size_t
TYPE_F32 = 0
FLASH_ATTENTION_OFF = 0


def fields(**types):
    return [(name, kind) for kind, names in types.values() for name in names.split()]


class ModelParameters(ctypes.Structure):
    _fields_ = fields(
        a=(VOID, "devices buffer_overrides"),
        b=(INT, "n_gpu_layers split_mode load_mode lazy_mode main_gpu"),
        c=(VOID, "tensor_split progress progress_data overrides"),
        d=(BOOL, "vocab_only check_tensors use_extra_bufts no_host no_alloc load_mtp"))


class ContextParameters(ctypes.Structure):
    _fields_ = fields(
        a=(UINT, "n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max n_outputs_max_per_seq"),
        b=(INT, "n_threads n_threads_batch ctx_type rope_scaling_type pooling_type"),
        c=(INT, "attention_type flash_attn_type"),
        d=(FLOAT, "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor"),
        e=(FLOAT, "yarn_beta_fast yarn_beta_slow"),
        f=(UINT, "yarn_orig_ctx"),
        g=(FLOAT, "defrag_thold"),
        h=(VOID, "cb_eval cb_eval_user_data"),
        i=(INT, "type_k type_v"),
        j=(VOID, "abort_callback abort_callback_data reserved"),
        k=(BOOL, "embeddings offload_kqv no_perf op_offload swa_full kv_unified"),
        l=(VOID, "samplers"),
        m=(SIZE, "n_samplers"),
        n=(VOID, "ctx_other"))


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", INT), ("token", ctypes.POINTER(INT)), ("embd", VOID),
        ("pos", ctypes.POINTER(INT)), ("n_seq_id", ctypes.POINTER(INT)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(INT))), ("logits", ctypes.POINTER(ctypes.c_int8))]


OBSERVER = ctypes.CFUNCTYPE(BOOL, VOID, BOOL, VOID)
LOG = ctypes.CFUNCTYPE(None, INT, ctypes.c_char_p, VOID)


def open_library():
    path = next(pathlib.Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))
    library = ctypes.CDLL(str(path))

    def declare(name, result, *arguments):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments

    declare("llama_model_default_params", ModelParameters)
    declare("llama_context_default_params", ContextParameters)
    declare("llama_model_load_from_file", VOID, ctypes.c_char_p, ModelParameters)
    declare("llama_init_from_model", VOID, VOID, ContextParameters)
    declare("llama_batch_init", Batch, INT, INT, INT)
    declare("llama_decode", INT, VOID, Batch)
    declare("llama_get_logits", ctypes.POINTER(FLOAT), VOID)
    declare("llama_get_memory", VOID, VOID)
    declare("llama_memory_clear", None, VOID, BOOL)
    declare("llama_model_get_vocab", VOID, VOID)
    declare("llama_vocab_n_tokens", INT, VOID)
    declare("llama_log_set", None, LOG, VOID)
    declare("ggml_get_name", ctypes.c_char_p, VOID)
    declare("ggml_nbytes", SIZE, VOID)
    declare("ggml_backend_tensor_get", None, VOID, VOID, SIZE, SIZE)
    declare("ggml_row_size", SIZE, INT, ctypes.c_int64)
    declare(
        "ggml_quantize_chunk", SIZE, INT, VOID, VOID, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_int64, VOID)
    return library


LIBRARY = open_library()
SILENCE = LOG(lambda level, text, data: None)
LIBRARY.llama_log_set(SILENCE, None)


class Context:
    """A model, ready to compute the logits of every position of some tokens.

    With `is_plain`, keys and values are of 32 bits and there is no flash attention, whose sums are
    of 16 bits; else the library's defaults hold. `observe(name, values)` gets the tensors
    whose names `wants(name)`. A `rope_base` other than 0 takes the place of the file's.
    """

    def __init__(
            self, path, length, threads=1, is_plain=False, rope_base=0.0, wants=None, observe=None):
        model = LIBRARY.llama_model_default_params()
        context = LIBRARY.llama_context_default_params()
        known = (
            model.n_gpu_layers, model.use_extra_bufts, context.n_ctx, context.n_batch,
            context.n_ubatch, context.n_threads, context.flash_attn_type, context.defrag_thold,
            context.type_k, context.type_v, context.offload_kqv, context.no_perf)
        assert known == (-1, True, 512, 2048, 512, 4, -1, -1.0, 1, 1, True, True), known
        model.n_gpu_layers = 0
        context.n_ctx = length
        context.n_threads = context.n_threads_batch = threads
        context.rope_freq_base = rope_base
        if is_plain:
            context.type_k = context.type_v = TYPE_F32
            context.flash_attn_type = FLASH_ATTENTION_OFF
        if observe is not None:
            self.observer = OBSERVER(self.make_observer(wants, observe))
            context.cb_eval = ctypes.cast(self.observer, VOID)
        self.model = LIBRARY.llama_model_load_from_file(path.encode(), model)
        assert self.model, f"llama.cpp does not load {path}"
        self.context = LIBRARY.llama_init_from_model(self.model, context)
        assert self.context, f"llama.cpp makes no context for {path}"
        self.batch = LIBRARY.llama_batch_init(length, 0, 1)

    @staticmethod
    def make_observer(wants, observe):
        def look(tensor, is_question, data):
            name = LIBRARY.ggml_get_name(tensor).decode()
            if is_question:
                return wants(name)
            # A tensor's first word is its type.
            if wants(name) and ctypes.cast(tensor, ctypes.POINTER(INT))[0] == TYPE_F32:
                size = LIBRARY.ggml_nbytes(tensor)
                values = numpy.empty(size // 4, numpy.float32)
                LIBRARY.ggml_backend_tensor_get(tensor, values.ctypes.data, 0, size)
                observe(name, values)
            return True

        return look

    def logits(self, tokens):
        """(positions, vocabulary), of tokens that follow nothing."""
        LIBRARY.llama_memory_clear(LIBRARY.llama_get_memory(self.context), True)
        batch = self.batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.logits[index] = token, index, 1
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
        code = LIBRARY.llama_decode(self.context, batch)
        assert code == 0, f"llama_decode: {code}"
        count = LIBRARY.llama_vocab_n_tokens(LIBRARY.llama_model_get_vocab(self.model))
        pointer = LIBRARY.llama_get_logits(self.context)
        return numpy.ctypeslib.as_array(pointer, (len(tokens), count))


def quantise(rows, kind):
    """The bytes of float32 rows in a type of ggml, by its own reference quantisation."""
    rows = numpy.ascontiguousarray(rows, numpy.float32)
    count, length = rows.shape
    packed = numpy.empty((count, LIBRARY.ggml_row_size(kind, length)), numpy.uint8)
    size = LIBRARY.ggml_quantize_chunk(
        kind, rows.ctypes.data, packed.ctypes.data, 0, count, length, None)
    assert size == packed.nbytes, f"type {kind}: {size} bytes"
    return packed
