#region using model
using Beam;
using Beam.ML.Inference;
using Beam.ML.Vllm;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server;
#endregion
using System.Globalization;
using System.Runtime.CompilerServices;
using Beam.Testing;

namespace Cookbook;

#region own handler
public sealed class LexiconHandler(string path) : ModelHandler<string, double, Dictionary<string, double>>
{
    public override async Task<Dictionary<string, double>> LoadModelAsync(CancellationToken cancellationToken) =>
        (await File.ReadAllLinesAsync(path, cancellationToken))
        .Select(line => line.Split('\t'))
        .ToDictionary(fields => fields[0], fields => double.Parse(fields[1], CultureInfo.InvariantCulture));

    public override Task<IReadOnlyList<double>> RunInferenceAsync(
        IReadOnlyList<string> batch, Dictionary<string, double> model, InferenceArgs inferenceArgs, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<double>>([.. batch.Select(text => text.Split(' ').Sum(word => model.GetValueOrDefault(word)))]);
}
#endregion

/// <summary>The cookbook's snippets that ask a model, each run.</summary>
public sealed class ModelRecipes
{
    private static readonly string TinyGemma = Path.Combine(RecipeFolder.Repository, "models", "tiny-gemma", "checkpoint");

    [Test]
    public async Task Arguments_and_engine_options_reach_the_model()
    {
        var model = TinyGemma;
        var pipeline = TestPipeline.Create();
        var prompts = pipeline.Create("What is the capital of France?", "What is the capital of Japan?");

        #region arguments
        var handler = new VllmCompletionsModelHandler(new EngineOptions { Model = model, MaxModelLength = 512, NumThreads = 1 });
        var answers = prompts
            .RunInference(handler, new() { ["max_tokens"] = 64, ["temperature"] = 0, ["stop"] = new[] { "\n" } })
            .Map(answer => answer.Inference.Text.Trim());
        #endregion

        PAssert.That(answers).Satisfies(texts => Assert.That(texts, Has.Some.Contains("Paris").And.Some.Contains("Tokyo")));
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task A_chat_is_answered()
    {
        var model = TinyGemma;
        var pipeline = TestPipeline.Create();
        var questions = pipeline.Create("What is the capital of France?");

        #region chat
        var chat = new VllmChatModelHandler(model)
            .WithPreprocess((string question) => (IReadOnlyList<ChatMessage>)[new ChatMessage("user", question)]);
        var answers = questions
            .RunInference(chat, new() { ["max_tokens"] = 64, ["temperature"] = 0 })
            .Map(answer => answer.Inference.Text);
        #endregion

        PAssert.ThatSingleton(answers).Satisfies(text => Assert.That(text, Does.Contain("Paris")));
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task Answers_have_the_form_that_is_asked_for()
    {
        var model = TinyGemma;
        var pipeline = TestPipeline.Create();
        var reviews = pipeline.Create("What is the capital of France?", "What is the capital of Japan?");

        #region structured
        var verdicts = reviews
            .RunInference(new VllmCompletionsModelHandler(model), new()
            {
                ["structured_outputs"] = new Dictionary<string, string[]> { ["choice"] = ["good", "bad"] },
            })
            .Map(answer => answer.Inference.Text);
        #endregion

        PAssert.That(verdicts).Satisfies(texts => Assert.That(texts, Is.All.EqualTo("good").Or.EqualTo("bad")));
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task Another_server_answers_in_place_of_the_engine()
    {
        await using var engine = await LlmEngine.LoadAsync(new EngineOptions { Model = TinyGemma, ServedModelName = "tiny-gemma" });

        #region serve
        await using var server = await OpenAIServer.StartAsync(engine, new ServerOptions { Port = 0 });
        Console.WriteLine($"{server.Address}v1/completions");
        #endregion

        var url = server.Address!.ToString();
        var pipeline = TestPipeline.Create();
        var prompts = pipeline.Create("What is the capital of France?");

        #region server
        var handler = new VllmCompletionsModelHandler("tiny-gemma", VllmServerOptions.At(url));
        var answers = prompts.RunInference(handler, new() { ["max_tokens"] = 64, ["temperature"] = 0 }).Map(answer => answer.Inference.Text);
        #endregion

        PAssert.ThatSingleton(answers).Satisfies(text => Assert.That(text, Does.Contain("Paris")));
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task Prompts_without_an_answer_go_to_the_dead_letters()
    {
        using var folder = new RecipeFolder();
        var (model, output) = (TinyGemma, folder.PathOf(""));
        var pipeline = Pipeline.Create();
        var prompts = pipeline.Create("What is the capital of France?", "");

        #region dead letters
        var answers = prompts.RunInferenceWithExceptionHandling(new VllmCompletionsModelHandler(model));
        answers.Output.Map(answer => new { answer.Example, answer.Inference.Text }).WriteJson(Path.Combine(output, "answers"));
        answers.Failures.Map(failure => new { failure.Element, failure.Message }).WriteJson(Path.Combine(output, "failed"));
        #endregion

        await using var result = await pipeline.RunAsync();
        Assert.That(folder.LinesOf("answers"), Has.One.Contains("France"));
        Assert.That(folder.LinesOf("failed"), Has.One.Contains("cannot be empty"));
    }

    [Test]
    public async Task A_handler_of_ones_own_is_a_model_like_any()
    {
        using var folder = new RecipeFolder("words.tsv", "good\t1\nbad\t-1");
        var path = folder.PathOf("words.tsv");
        var pipeline = TestPipeline.Create();
        var texts = pipeline.Create("good bad good", "bad");

        #region own handler applied
        var scores = texts.RunInference(new LexiconHandler(path));
        var sharedScores = texts.RunInference(new LexiconHandler(path) { ModelCopies = 1 });
        #endregion

        PAssert.That(scores).ContainsInAnyOrder(1, -1);
        PAssert.That(sharedScores).ContainsInAnyOrder(1, -1);
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task The_engine_runs_alone()
    {
        var model = TinyGemma;

        #region engine
        await using var engine = await LlmEngine.LoadAsync(new EngineOptions { Model = model });
        var parameters = new SamplingParams { MaxTokens = 64, Temperature = 0 };
        var answer = await engine.CompleteAsync("What is the capital of France?", parameters);
        Console.WriteLine(answer.Text);
        #endregion

        var whole = answer.Text;
        Assert.That(whole, Does.Contain("Paris"));
        var streamed = new StringWriter();

        #region engine stream
        await foreach (var output in engine.GenerateAsync("What is the capital of France?", parameters with { OutputKind = OutputKind.Delta }))
            await streamed.WriteAsync(output.Text);
        #endregion

        Assert.That(streamed.ToString(), Is.EqualTo(whole));
    }
}

/// <summary>A folder for the files of a snippet, deleted with the object.</summary>
internal sealed class RecipeFolder : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("beam-cookbook-").FullName;

    /// <summary>A folder with files, given as name and content by turns.</summary>
    public RecipeFolder(params string[] files)
    {
        foreach (var file in files.Chunk(2))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(PathOf(file[0]))!);
            File.WriteAllText(PathOf(file[0]), file[1]);
        }
    }

    public static string Repository { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "..", ".."));

    public static string Sources => ThisFolder();

    public string PathOf(string name) => Path.Combine(folder, name);

    public IReadOnlyList<string> LinesOf(string prefix) => [.. Directory.EnumerateFiles(folder, prefix + "-*-of-*").SelectMany(File.ReadLines)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
