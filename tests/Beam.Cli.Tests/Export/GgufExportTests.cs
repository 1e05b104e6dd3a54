using Beam.Cli.Hosting;
using Beam.ML.Vllm.Weights;

namespace Beam.Cli.Tests.Export;

public sealed class GgufExportTests
{
    private DirectoryInfo _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("beam-gguf-");

    [TearDown]
    public void DeleteFolder() => _folder.Delete(recursive: true);

    [TestCase("f32", 0u, 0f)]
    [TestCase("f16", 1u, 0.001f)]
    [TestCase("bf16", 30u, 0.005f)]
    [TestCase("q8_0", 8u, 0.02f)]
    public async Task Matrices_have_the_type_that_was_asked_for_and_vectors_are_floats(string type, uint code, float tolerance)
    {
        var gguf = await ExportAsync(Tool.Golden("qwen3"), "--type", type);
        using var checkpoint = Checkpoint.Open(Tool.Golden("qwen3"));
        var original = checkpoint.Get("model.layers.1.mlp.down_proj.weight");
        Assert.That(gguf.Tensors["blk.1.ffn_down.weight"].Type, Is.EqualTo(code));
        Assert.That(gguf.Tensors["blk.1.ffn_down.weight"].Dimensions, Is.EqualTo(new long[] { original.Columns, original.Rows }));
        Assert.That(gguf.Tensors["blk.1.attn_norm.weight"].Type, Is.Zero);
        var expected = new float[original.Columns];
        for (var row = 0; row < original.Rows; row++)
        {
            original.ReadRow(row, expected);
            var largest = expected.Max(MathF.Abs);
            Assert.That(gguf.Row("blk.1.ffn_down.weight", row), Is.EqualTo(expected).Within(tolerance * largest));
        }
    }

    [Test]
    public async Task The_file_has_a_head_then_aligned_tensors_and_nothing_else()
    {
        var gguf = await ExportAsync(Tool.Golden("llama"));
        Assert.That((gguf.Magic, gguf.Version), Is.EqualTo(("GGUF", 3u)));
        var end = gguf.DataStart;
        foreach (var tensor in gguf.Tensors.Values.OrderBy(t => t.Offset))
        {
            Assert.That(tensor.Offset % 32, Is.Zero);
            Assert.That(gguf.DataStart + tensor.Offset, Is.EqualTo((end + 31) / 32 * 32));
            var count = tensor.Dimensions.Aggregate(1L, (a, b) => a * b);
            end = gguf.DataStart + tensor.Offset + (count * (tensor.Type == 0 ? 4 : 2));
        }

        Assert.That(gguf.Length, Is.EqualTo((end + 31) / 32 * 32));
    }

    [Test]
    public async Task Llama_has_its_sizes_and_heads_whose_halves_are_woven()
    {
        var gguf = await ExportAsync(Tool.Golden("llama"), "--type", "f32");
        Assert.That(gguf.Metadata["general.architecture"], Is.EqualTo("llama"));
        Assert.That(gguf.Metadata["llama.block_count"], Is.EqualTo(3u));
        Assert.That(gguf.Metadata["llama.attention.head_count_kv"], Is.EqualTo(2u));
        Assert.That(gguf.Metadata["llama.rope.freq_base"], Is.EqualTo(10_000f));
        using var checkpoint = Checkpoint.Open(Tool.Golden("llama"));
        var keys = checkpoint.Get("model.layers.0.self_attn.k_proj.weight");
        var expected = new float[keys.Columns];
        for (var head = 0; head < 2; head++)
        {
            for (var i = 0; i < 16; i++)
            {
                keys.ReadRow((head * 16) + (i % 2 * 8) + (i / 2), expected);
                Assert.That(gguf.Row("blk.0.attn_k.weight", (head * 16) + i), Is.EqualTo(expected));
            }
        }
    }

    [Test]
    public async Task A_tied_head_is_left_out_and_scaled_frequencies_come_along()
    {
        var gguf = await ExportAsync(Tool.Golden("llama3_scaled"));
        Assert.That(gguf.Tensors.Keys, Does.Not.Contain("output.weight"));
        var factors = gguf.Row("rope_freqs.weight", 0);
        Assert.That(factors[0], Is.EqualTo(1f));
        Assert.That(factors[^1], Is.EqualTo(8f).Within(1e-4f));
    }

    [Test]
    public async Task A_sentencepiece_tokenizer_and_the_chat_template_come_along()
    {
        var gguf = await ExportAsync(Tool.TinyGemma);
        Assert.That(gguf.Metadata["tokenizer.ggml.model"], Is.EqualTo("llama"));
        var tokens = (object[])gguf.Metadata["tokenizer.ggml.tokens"];
        Assert.That(tokens, Has.Length.EqualTo((uint)gguf.Metadata["gemma.vocab_size"]));
        Assert.That(tokens[(uint)gguf.Metadata["tokenizer.ggml.bos_token_id"]], Is.EqualTo("<bos>"));
        Assert.That(((object[])gguf.Metadata["tokenizer.ggml.scores"]).Length, Is.EqualTo(tokens.Length));
        Assert.That(gguf.Metadata["tokenizer.ggml.add_bos_token"], Is.True);
        Assert.That((string)gguf.Metadata["tokenizer.chat_template"], Does.Contain("messages"));
    }

    [Test]
    public async Task Experts_are_stacked()
    {
        var gguf = await ExportAsync(Tool.Golden("mixtral"));
        Assert.That(gguf.Metadata["llama.expert_count"], Is.EqualTo(4u));
        Assert.That(gguf.Tensors["blk.0.ffn_gate_exps.weight"].Dimensions, Is.EqualTo(new long[] { 64, 128, 4 }));
        Assert.That(gguf.Tensors["blk.0.ffn_gate_inp.weight"].Type, Is.Zero, "The router stays exact.");
    }

    [Test]
    public async Task A_family_that_llama_cpp_does_not_know_gets_the_list_of_those_that_it_does()
    {
        var result = await Tool.RunAsync("engine", "export-gguf", Tool.Golden("opt"), Path.Combine(_folder.FullName, "x.gguf"));
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure));
        Assert.That(result.Error, Does.Contain("OPTForCausalLM").And.Contains("LlamaForCausalLM"));
        Assert.That(_folder.GetFiles(), Is.Empty);
    }

    [Test]
    public async Task An_unknown_type_is_a_wrong_command_line()
    {
        var result = await Tool.RunAsync("engine", "export-gguf", Tool.Golden("llama"), _folder.FullName, "--type", "q4_k");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(result.Error, Does.Contain("q8_0"));
    }

    [Test]
    public async Task A_folder_gets_a_file_named_for_model_and_type()
    {
        var result = await Tool.RunAsync("engine", "export-gguf", Tool.Golden("gemma"), _folder.FullName, "--type", "q8_0");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(_folder.GetFiles().Single().Name, Is.EqualTo("gemma-Q8_0.gguf"));
    }

    [Test]
    public async Task A_folder_called_checkpoint_gives_its_parents_name_and_a_file_that_is_there_is_said_to_be_replaced()
    {
        for (var i = 0; i < 2; i++)
        {
            var result = await Tool.RunAsync("engine", "export-gguf", Tool.TinyGemma, _folder.FullName);
            Assert.That(result.ExitCode, Is.Zero, result.Error);
            Assert.That(result.Output, i == 0 ? Does.Not.Contain("replaced") : Does.Contain("replaced"));
        }

        Assert.That(_folder.GetFiles().Single().Name, Is.EqualTo("tiny-gemma-BF16.gguf"));
    }

    [Test]
    public async Task A_folder_that_is_not_there_is_told()
    {
        var missing = Path.Combine(_folder.FullName, "missing");
        var result = await Tool.RunAsync("engine", "export-gguf", Tool.Golden("llama"), Path.Combine(missing, "x.gguf"));
        Assert.That((result.ExitCode, result.Error.TrimEnd()), Is.EqualTo((ExitCode.Failure, $"beam: The folder '{missing}' does not exist.")));
    }

    private async Task<GgufReader> ExportAsync(string model, params string[] options)
    {
        var path = Path.Combine(_folder.FullName, "model.gguf");
        var result = await Tool.RunAsync(["engine", "export-gguf", model, path, .. options]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        return new GgufReader(path);
    }
}
