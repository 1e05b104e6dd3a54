using Beam.Cli.Hosting;

namespace Beam.Cli.Tests;

public sealed class ChatTests
{
    [Test]
    public async Task Each_line_gets_an_answer_and_the_input_ends_the_chat()
    {
        var result = await Tool.TypeAsync("What is the capital of France?\n", "engine", "chat", Tool.TinyGemma, "--temperature", "0", "--max-tokens", "16");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain("Paris"));
    }

    [Test]
    public async Task Commands_are_not_sent_to_the_model()
    {
        var result = await Tool.TypeAsync("/help\n\n/reset\n/what\n/exit\nHello\n", "engine", "chat", Tool.TinyGemma, "--max-tokens", "4");
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Does.Contain("/reset forgets").And.Contains("starts anew").And.Contains("There is no /what"));
    }

    [Test]
    public async Task A_model_without_a_template_continues_each_line()
    {
        var folder = Directory.CreateTempSubdirectory("beam-chat-");
        try
        {
            foreach (var file in Directory.GetFiles(Tool.TinyGemma))
                if (!Path.GetFileName(file).StartsWith("chat_template", StringComparison.Ordinal) && Path.GetFileName(file) != "tokenizer_config.json")
                    File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
            var result = await Tool.TypeAsync("The capital of France is\n", "engine", "chat", folder.FullName, "--temperature", "0", "--max-tokens", "8");
            Assert.That(result.ExitCode, Is.Zero, result.Error);
            Assert.That(result.Error, Does.Contain("no chat template"));
            Assert.That(result.Output.Trim(), Is.Not.Empty);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public async Task A_text_that_does_not_fit_is_refused_and_the_chat_goes_on()
    {
        var result = await Tool.TypeAsync(
            string.Join(' ', Enumerable.Repeat("word", 200)) + "\nWhat is the capital of France?\n",
            "engine", "chat", Tool.TinyGemma, "--temperature", "0", "--max-model-len", "64", "--max-tokens", "12");
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Error, Does.Contain("max_model_len"));
        Assert.That(result.Output, Does.Contain("Paris"));
    }

    [Test]
    public async Task A_conversation_that_fills_the_context_loses_its_oldest_exchanges()
    {
        var questions = string.Concat(Enumerable.Repeat("What is the capital of France?\n", 8));
        var result = await Tool.TypeAsync(questions, "engine", "chat", Tool.TinyGemma, "--temperature", "0", "--max-model-len", "96", "--max-tokens", "16");
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Error, Does.Contain("are forgotten"));
    }

    [Test]
    public async Task Wrong_sampling_values_are_a_wrong_command_line()
    {
        var result = await Tool.RunAsync("engine", "chat", Tool.TinyGemma, "--temperature", "7");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(result.Error, Does.Contain("temperature must be in [0, 2], got 7"));
    }

    [Test]
    public async Task An_interrupt_stops_the_answer_and_the_next_one_leaves()
    {
        using var interrupts = new Interrupts();
        var answer = new InterruptingWriter(interrupts, after: 3);
        using var host = new CliHost(new EndlessQuestions(), answer, TextWriter.Null, interrupts);
        var code = await BeamTool.RunAsync(["engine", "chat", Tool.TinyGemma, "--temperature", "0", "--stop", "never said"], host);
        Assert.That(code, Is.EqualTo(ExitCode.Interrupted));
        Assert.That(answer.Stopped, Is.True, "The first interrupt only stopped an answer.");
    }

    private sealed class EndlessQuestions : TextReader
    {
        public override string ReadLine() => "Tell me a story.";
    }

    /// <summary>Presses Ctrl-C once in the first answer, and twice in the second.</summary>
    private sealed class InterruptingWriter(Interrupts interrupts, int after) : StringWriter
    {
        private int _writes;

        public bool Stopped { get; private set; }

        public override Task WriteAsync(string? value)
        {
            if (++_writes == after || Stopped) interrupts.Interrupt();
            if (Stopped) interrupts.Interrupt();
            return Task.CompletedTask;
        }

        public override Task WriteLineAsync()
        {
            Stopped |= _writes >= after;
            return Task.CompletedTask;
        }
    }
}
