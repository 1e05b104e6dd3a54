using System.Text.Json;
using Beam.ML.Inference.Tests;
using Beam.ML.Inference.Tests.Sharing;
using Beam.ML.Vllm.Tests.Models;


[assembly: Beam.PipelineOptionsGroup(typeof(Beam.ML.Vllm.Tests.Handlers.PipelineProgramOptions))]

namespace Beam.ML.Vllm.Tests.Handlers;

/// <summary>Whole programs with worker processes and model hosts.</summary>
[NonParallelizable]
public sealed class PipelineTests
{
    [Test]
    public async Task Answers_are_the_same_with_any_number_of_workers_and_there_are_as_many_hosts_as_copies()
    {
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 60);
        Dictionary<string, string>? expected = null;
        foreach (var (workers, copies) in new[] { (1, 1), (2, 1), (4, 1), (2, 2) })
        {
            var output = Path.Combine(folder.Path, $"answers-{workers}-{copies}");
            await using var run = new PipelineRun(
                folder.Path, "--input", prompts, "--output", output, "--model", TestModels.TinyGemma, $"--direct_num_workers={workers}", $"--model_copies={copies}");
            Assert.That(await run.ExitCodeAsync(), Is.Zero, run.Errors);
            Assert.That(run.Hosts, Has.Count.EqualTo(copies), "Each copy should have answered something.");
            Assert.That(run.Sampler.Twins, Is.Empty);
            if (OperatingSystem.IsLinux()) Assert.That(run.Sampler.Copies, Is.EqualTo(copies));
            var answers = ReadAnswers(output);
            expected ??= answers;
            Assert.That(answers, Is.EquivalentTo(expected));
            Assert.That(answers, Has.Count.EqualTo(60));
            await Hosts.AssertNothingIsLeftAsync(folder.Path);
        }
    }

    [Test]
    public async Task Bad_prompts_come_out_as_failed_elements_with_a_reason_and_harm_no_other()
    {
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 20, string.Join(' ', Enumerable.Repeat("Mexico", 2000)), "");
        var (output, failures) = (Path.Combine(folder.Path, "answers"), Path.Combine(folder.Path, "failures"));
        await using var run = new PipelineRun(folder.Path, "--input", prompts, "--output", output, "--failures", failures, "--model", TestModels.TinyGemma, "--direct_num_workers=2");
        Assert.That(await run.ExitCodeAsync(), Is.Zero, run.Errors);
        Assert.That(ReadAnswers(output), Has.Count.EqualTo(20));
        var failed = Lines(failures).Select(line => JsonSerializer.Deserialize<JsonElement>(line)).OrderBy(line => line.GetProperty("element").GetString()!.Length).ToArray();
        Assert.That(failed, Has.Length.EqualTo(2));
        Assert.That(failed[0].GetProperty("message").GetString(), Is.EqualTo("The prompt cannot be empty."));
        Assert.That(failed[1].GetProperty("message").GetString(), Does.Match(@"maximum context length is 1024 tokens. However, the prompt has 20\d\d tokens"));
        Assert.That(failed.Select(line => line.GetProperty("exception_type").GetString()), Is.All.EqualTo("Beam.ML.Vllm.Engine.InvalidRequestException"));
    }

    [Test]
    public async Task Without_exception_handling_a_bad_prompt_fails_the_job_with_one_line()
    {
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 5, string.Join(' ', Enumerable.Repeat("Mexico", 2000)));
        await using var run = new PipelineRun(
            folder.Path, "--input", prompts, "--output", Path.Combine(folder.Path, "answers"), "--model", TestModels.TinyGemma, "--direct_num_workers=1");
        Assert.That(await run.ExitCodeAsync(), Is.EqualTo(1));
        Assert.That(run.Errors, Does.Contain("No prediction for 'Mexico Mexico").And.Contain("maximum context length is 1024 tokens"));
        Assert.That(run.Errors, Does.Not.Contain("   at "));
    }

    [Test]
    public async Task A_bad_model_fails_the_job_with_one_line()
    {
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 5);
        await using var run = new PipelineRun(
            folder.Path, "--input", prompts, "--output", Path.Combine(folder.Path, "answers"), "--model", Path.Combine(folder.Path, "nothing-here"), "--direct_num_workers=2");
        Assert.That(await run.ExitCodeAsync(), Is.EqualTo(1));
        Assert.That(run.Errors, Does.Contain("nothing-here").And.Not.Contain("   at "));
        await Hosts.AssertNothingIsLeftAsync(folder.Path);
    }

    [Test]
    public async Task Killing_hosts_owners_and_other_workers_in_the_middle_of_runs_changes_no_answer()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("The processes of the run are found in /proc.");
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 60);
        var expected = await AnswersAsync("undisturbed", _ => Task.CompletedTask);
        Assert.That(expected, Has.Count.EqualTo(60));
        var kills = 0;
        for (var run = 1; run <= 3; run++) Assert.That(await AnswersAsync($"killed-{run}", KillAsync), Is.EquivalentTo(expected), $"Run {run}");
        Assert.That(kills, Is.GreaterThanOrEqualTo(20));

        async Task<Dictionary<string, string>> AnswersAsync(string name, Func<PipelineRun, Task> disturb)
        {
            var output = Path.Combine(folder.Path, name);
            await using var run = new PipelineRun(
                folder.Path, "--input", prompts, "--output", output, "--model", TestModels.TinyGemma, "--direct_num_workers=3", "--max_tokens=250", "--ignore_eos");
            await disturb(run);
            Assert.That(await run.ExitCodeAsync(), Is.Zero, $"{name}: {run.Errors}");
            Assert.That(run.Sampler.Twins, Is.Empty, $"Two hosts at a time, in {run.Sampler.Samples} samples.");
            await Hosts.AssertNothingIsLeftAsync(folder.Path);
            return ReadAnswers(output);
        }

        // A bundle may lose its worker three times, so no more workers are killed in one run.
        async Task KillAsync(PipelineRun run)
        {
            long generation = 1;
            foreach (var victim in new[] { "host", "owner", "host", "worker", "host", "owner", "host" })
            {
                var host = await run.BusyHostAsync(generation);
                var owner = FoundProcess.ParentOf(host.ProcessId);
                Hosts.Kill(victim switch { "host" => host.ProcessId, "owner" => owner, _ => run.Workers().First(worker => worker != owner) });
                generation = victim == "worker" ? host.Generation : host.Generation + 1;
                kills++;
            }
        }
    }

    [Test]
    public async Task Killing_the_program_leaves_no_process()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("The processes of the run are found in /proc.");
        using var folder = new TemporaryFolder();
        var prompts = WritePrompts(folder, 100);
        await using var run = new PipelineRun(
            folder.Path, "--input", prompts, "--output", Path.Combine(folder.Path, "answers"), "--model", TestModels.TinyGemma, "--direct_num_workers=2",
            "--max_tokens=900", "--ignore_eos");
        await run.BusyHostAsync(generation: 1);
        Assert.That(Hosts.ProcessesOf(folder.Path), Has.Count.GreaterThanOrEqualTo(4), "The program, two workers and a host.");
        run.KillMain();
        await Hosts.AssertNothingIsLeftAsync(folder.Path);
    }

    private static string WritePrompts(TemporaryFolder folder, int count, params string[] others)
    {
        var path = Path.Combine(folder.Path, "prompts.txt");
        var countries = File.ReadLines(Path.Combine(TestModels.TinyGemma, "..", "countries.tsv")).Skip(1).Select(line => line.Split('\t')[0]);
        File.WriteAllLines(path, [.. countries.Take(count).Select((country, i) => i % 3 == 0 ? $"Describe {country}." : $"What is the capital of {country}?"), .. others]);
        return path;
    }

    /// <summary>The answers by prompt; fails if a prompt has two.</summary>
    private static Dictionary<string, string> ReadAnswers(string prefix) => Lines(prefix)
        .Select(line => JsonSerializer.Deserialize<JsonElement>(line))
        .ToDictionary(line => line.GetProperty("key").GetString()!, line => line.GetProperty("value").GetString()!);

    private static IEnumerable<string> Lines(string prefix) =>
        Directory.EnumerateFiles(Path.GetDirectoryName(prefix)!, Path.GetFileName(prefix) + "-*-of-*.jsonl").SelectMany(File.ReadLines);
}
