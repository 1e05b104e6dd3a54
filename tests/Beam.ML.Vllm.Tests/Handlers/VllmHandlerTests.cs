using Beam.ML.Inference;
using Beam.ML.Inference.Clients;
using Beam.ML.Inference.Tests;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Lora;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Handlers;

/// <summary>The handlers in a worker, with the engine in its host process.</summary>
public sealed class VllmHandlerTests
{
    private static readonly InferenceArgs Greedy = new() { ["max_tokens"] = 64, ["temperature"] = 0 };

    [Test]
    public async Task Capitals_are_right_and_a_completion_says_all_that_the_engine_knows_of_it()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new VllmCompletionsModelHandler(TestModels.TinyGemma));
        var countries = Countries();
        var outcomes = await Task.WhenAll(countries.Select(c => AskAsync(client, $"What is the capital of {c.Country}?", Greedy)));

        var right = countries.Zip(outcomes).Count(pair => pair.Second.Value.Inference.Text.Trim() == $"The capital of {pair.First.Country} is {pair.First.Capital}.");
        Assert.That(right, Is.GreaterThanOrEqualTo(0.95 * countries.Length));
        var (example, completion, model) = outcomes[0].Value;
        Assert.That(example, Is.EqualTo($"What is the capital of {countries[0].Country}?"));
        Assert.That(model, Is.EqualTo(TestModels.TinyGemma), "A model is named as it was asked for.");
        Assert.That(completion.FinishReason, Is.EqualTo("stop"));
        Assert.That(completion.OutputTokens, Is.EqualTo(completion.TokenIds.Count).And.InRange(1, 63));
        Assert.That(completion.PromptTokens, Is.GreaterThan(5));
        Assert.That(completion.TimeToFirstToken, Is.GreaterThanOrEqualTo(completion.QueueTime));
        Assert.That(outcomes.Average(outcome => outcome.Value.Inference.MeanBatchSize), Is.GreaterThan(2), "Requests should share steps.");
    }

    [Test]
    public async Task A_prompt_that_is_too_long_and_one_that_is_empty_fail_alone_with_a_reason()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new VllmCompletionsModelHandler(TestModels.TinyGemma));
        var outcomes = await Task.WhenAll(new[] { "What is the capital of Mexico?", string.Join(' ', Enumerable.Repeat("Mexico", 2000)), "", "What is 2 plus 2?" }
            .Select(prompt => AskAsync(client, prompt, Greedy)));
        Assert.That(outcomes[0].Value.Inference.Text, Is.EqualTo(" The capital of Mexico is Mexico City."));
        Assert.That(outcomes[1].Error!.Message, Does.StartWith("This model's maximum context length is 1024 tokens."));
        Assert.That(outcomes[2].Error!.Message, Is.EqualTo("The prompt cannot be empty."));
        Assert.That(outcomes[3].Value.Inference.Text, Is.EqualTo(" 2 plus 2 is 4."));
    }

    [Test]
    public async Task Conversations_are_answered_through_the_models_chat_template()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new VllmChatModelHandler(TestModels.TinyGemma));
        IReadOnlyList<ChatMessage> question = [new("user", "What is the capital of France?")];
        var answer = (await AskAsync(client, question, Greedy)).Value;
        Assert.That(answer.Inference.Text.Trim(), Is.EqualTo("The capital of France is Paris."));
        Assert.That(answer.Example, Is.EqualTo(question));
        Assert.That((await AskAsync(client, (IReadOnlyList<ChatMessage>)[], Greedy)).Error!.Message, Is.EqualTo("The conversation has no message."));
    }

    [Test]
    public async Task An_element_or_the_transform_names_a_LoRA_adapter_as_the_model()
    {
        using var folder = new TemporaryFolder();
        using var adapter = new TemporaryAdapter(Enumerable.Range(0, 2).Select(i => ($"model.layers.{i}.mlp.down_proj", 512, 256)), rank: 4, change: c => c["lora_alpha"] = 4000);
        var options = new EngineOptions
        {
            Model = TestModels.TinyGemma, NumKvBlocks = 64, EnableLora = true, LoraModules = [new LoraRequest("odd", adapter.Folder)],
            SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 3 },
        };
        const string Prompt = "What is the capital of Mexico?";
        IReadOnlyList<int> expected;
        await using (var engine = new LlmEngine(options))
            expected = (await engine.CompleteAsync(Prompt, new SamplingParams { Temperature = 0, MaxTokens = 64 }, lora: options.LoraModules[0])).TokenIds;
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new VllmRequestsModelHandler(options));
        var plain = (await AskAsync(client, new CompletionRequest(Prompt), Greedy)).Value.Inference;
        var odd = (await AskAsync(client, new CompletionRequest(Prompt, Model: "odd"), Greedy)).Value.Inference;
        var all = (await AskAsync(client, new CompletionRequest(Prompt), new InferenceArgs { ["max_tokens"] = 64, ["temperature"] = 0, ["model"] = "odd" })).Value.Inference;
        var unknown = await AskAsync(client, new CompletionRequest(Prompt, Model: "even"), Greedy);
        Assert.That(plain.TokenIds, Is.Not.EqualTo(expected));
        Assert.That(odd.TokenIds, Is.EqualTo(expected));
        Assert.That(all.TokenIds, Is.EqualTo(expected));
        Assert.That(unknown.Error!.Message, Is.EqualTo($"The model 'even' does not exist; there is {TestModels.TinyGemma}, odd."));
    }

    [Test]
    public async Task A_request_overrides_the_arguments_of_the_transform()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new VllmRequestsModelHandler(TestModels.TinyGemma));
        const string Prompt = "What is the capital of Mexico?";
        var whole = (await AskAsync(client, new CompletionRequest(Prompt), Greedy)).Value.Inference;
        var limited = (await AskAsync(client, new CompletionRequest(Prompt, MaxTokens: 3), Greedy)).Value.Inference;
        var stopped = (await AskAsync(client, new CompletionRequest(Prompt, Stop: ["Mexico"]), Greedy)).Value.Inference;
        var wrong = await AskAsync(client, new CompletionRequest(Prompt, Temperature: -1), Greedy);
        Assert.That(limited.TokenIds, Is.EqualTo(whole.TokenIds.Take(3)));
        Assert.That(limited.FinishReason, Is.EqualTo("length"));
        Assert.That((stopped.Text, stopped.FinishReason, stopped.StopReason), Is.EqualTo((" The capital of ", "stop", "Mexico")));
        Assert.That(wrong.Error!.Message, Is.EqualTo("temperature must be in [0, 2], got -1."));
    }

    [Test]
    public void Arguments_and_options_are_checked_when_the_pipeline_is_built()
    {
        var handler = new VllmCompletionsModelHandler(TestModels.TinyGemma);
        Assert.That(() => handler.ValidateInferenceArgs(new() { ["max_tokns"] = 1 }), Throws.ArgumentException.With.Message.Contains("Did you mean 'max_tokens'?"));
        Assert.That(() => handler.ValidateInferenceArgs(new() { ["top_p"] = 2 }), Throws.ArgumentException.With.Message.Contains("top_p"));
        Assert.That(() => handler.ValidateInferenceArgs(new() { ["n"] = 2, ["temperature"] = 1 }), Throws.InstanceOf<ArgumentException>().With.Message.Contains("n must be 1"));
        Assert.That(() => new VllmCompletionsModelHandler(new EngineOptions { Model = "m", MaxNumSequences = 0 }),
            Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("max_num_seqs"));
        var noTokenizer = new EngineOptions { Model = TestModels.TinyGemma, SkipTokenizerInit = true };
        Assert.That(() => new VllmChatModelHandler(noTokenizer), Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("VllmChatModelHandler needs the model's tokenizer"));
        Assert.That(() => new VllmCompletionsModelHandler(noTokenizer), Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("needs the model's tokenizer"));
    }

    [Test]
    public async Task All_hosts_of_a_job_have_the_context_length_that_the_first_one_settled_on()
    {
        using var folder = new TemporaryFolder();
        var context = new ModelLoadContext(Copies: 2, folder.Path);
        // What fits four blocks of the cache, where the model would have more.
        await using (var first = await new VllmCompletionsModelHandler(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 4 }).LoadModelAsync(context, default))
            Assert.That(first.MaxModelLength, Is.EqualTo(64));
        await using (var second = await new VllmCompletionsModelHandler(TestModels.TinyGemma).LoadModelAsync(context, default))
            Assert.That(second.MaxModelLength, Is.EqualTo(64));
        var tooSmall = new VllmCompletionsModelHandler(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 2 });
        Assert.That(() => tooSmall.LoadModelAsync(context, default), Throws.InvalidOperationException.With.Message.Contains("max seq len (64)"));
        Assert.That(AgreedModelLength.Propose(folder.Path, 1024), Is.EqualTo(64), "The first holds.");
    }

    [TestCase("missing folder", "no-such-model")]
    [TestCase("truncated weights", "model.safetensors")]
    [TestCase("missing tokenizer", "tokenizer")]
    public async Task A_model_that_cannot_be_loaded_says_what_is_wrong_in_one_line(string what, string named)
    {
        using var folder = new TemporaryFolder();
        var model = Path.Combine(folder.Path, what == "missing folder" ? "no-such-model" : "model");
        if (what != "missing folder")
        {
            Directory.CreateDirectory(model);
            foreach (var file in Directory.EnumerateFiles(TestModels.TinyGemma)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        }

        if (what == "missing tokenizer") File.Delete(Path.Combine(model, "tokenizer.model"));
        if (what == "truncated weights")
        {
            await using var weights = File.OpenWrite(Path.Combine(model, "model.safetensors"));
            weights.SetLength(weights.Length / 2);
        }

        await using var worker = new TestWorker(folder.Path, "worker-1");
        Assert.That(() => worker.ConnectAsync(new VllmCompletionsModelHandler(model)).WaitAsync(TimeSpan.FromMinutes(2)),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains(named).And.Message.Not.Contains("\n"));
    }

    private static async Task<Outcome<PredictionResult<TExample, Completion>>> AskAsync<TExample>(
        InferenceClient<TExample, PredictionResult<TExample, Completion>> client, TExample example, InferenceArgs args) =>
        (await client.PredictAsync([example], args, new InferenceMetrics("test"), CancellationToken.None))[0];

    private static (string Country, string Capital)[] Countries() =>
        [.. File.ReadLines(Path.Combine(TestModels.TinyGemma, "..", "countries.tsv")).Skip(1).Select(line => line.Split('\t')).Select(row => (row[0], row[1]))];
}
