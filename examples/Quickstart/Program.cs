using System.Diagnostics;
using Beam;
using Beam.ML.Inference;
using Beam.ML.Vllm;
using Quickstart;

var started = Stopwatch.GetTimestamp();

return await BeamApp.RunAsync<QuickstartOptions>(
    args,
    (pipeline, options) =>
    {
        var prompts = pipeline.ReadText(options.Input);
        var model = new VllmCompletionsModelHandler(options.Model);
        var predictions = prompts.RunInference(model, new() { ["max_tokens"] = options.MaxTokens, ["temperature"] = 0 });
        var answers = predictions.Map(p => new Answer(
            p.Example, p.Inference.Text.Trim(), p.Inference.FinishReason, p.Inference.PromptTokens, p.Inference.OutputTokens, p.ModelId));
        answers.WriteJson(options.Output);
    },
    finished: (result, options) =>
    {
        Console.Write(result.SummarizeInference().ToText(Stopwatch.GetElapsedTime(started)));
        Console.WriteLine($"answers          {options.Output}-*-of-*.jsonl");
    },
    defaults: ["--direct_running_mode=multi_processing", "--direct_progress=on"]);

/// <summary>A line of the output.</summary>
internal sealed record Answer(string Prompt, [property: System.Text.Json.Serialization.JsonPropertyName("answer")] string Text, string FinishReason, int PromptTokens, int OutputTokens, string? Model);
