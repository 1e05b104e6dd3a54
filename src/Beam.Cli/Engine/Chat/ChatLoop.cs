using Beam.Cli.Hosting;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.Cli.Engine.Chat;

/// <summary>Line in, answer out, until the input ends. Answers alone go to the output; all else goes to the error stream.</summary>
internal sealed class ChatLoop(CliHost host, LlmEngine engine, Conversation conversation, SamplingParams parameters)
{
    private const string Help = "/reset forgets the conversation, /exit leaves. Ctrl-C stops an answer; once more, it leaves.";

    private readonly LinePrompt? _prompt = host.ReadKey is { } readKey ? new LinePrompt(host.Error, readKey, () => host.Width) : null;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (!conversation.IsChat)
            await host.Error.WriteLineAsync($"{engine.ModelName} has no chat template: each line is a text that it continues. --chat-template names a template.");
        if (host.IsInputTerminal) await host.Error.WriteLineAsync(Help);
        while (await ReadLineAsync(cancellationToken) is { } line)
        {
            switch (line.Trim())
            {
                case "":
                    break;
                case "/exit" or "/quit" or "/bye":
                    return;
                case "/reset":
                    conversation.Reset();
                    await host.Error.WriteLineAsync("The conversation starts anew.");
                    break;
                case "/help" or "/?":
                    await host.Error.WriteLineAsync(Help);
                    break;
                case ['/', >= 'a' and <= 'z', ..] command when !command.Contains(' ') && !command[1..].Contains('/'):
                    await host.Error.WriteLineAsync($"There is no {command}. {Help}");
                    break;
                default:
                    await AnswerAsync(line, cancellationToken);
                    break;
            }
        }
    }

    private async Task AnswerAsync(string line, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var text = new System.Text.StringBuilder();
        var wrap = host.IsOutputTerminal ? new WordWrap(host.Width) : null;
        try
        {
            var prompt = conversation.Ask(line, out var forgotten);
            if (forgotten > 0) await host.Error.WriteLineAsync($"(The context of {engine.MaxModelLength} tokens is full: the oldest {forgotten} messages are forgotten.)");
            using (host.Interrupts.Handle(() => Stop(stop)))
            {
                await foreach (var output in engine.GenerateAsync(prompt, parameters with { OutputKind = OutputKind.Delta }, cancellationToken: stop.Token))
                {
                    text.Append(output.Text);
                    await host.Output.WriteAsync(wrap?.Add(output.Text) ?? output.Text);
                    await host.Output.FlushAsync(CancellationToken.None);
                }
            }

            await EndAsync();
            conversation.Answered(text.ToString());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What was said stays said: the next question may be about it.
            await EndAsync();
            await host.Error.WriteLineAsync("(stopped)");
            conversation.Answered(text.ToString());
        }
        catch (Exception e) when (e is InvalidRequestException or ChatTemplateException or RequestFailedException)
        {
            await host.Error.WriteLineAsync($"beam: {e.Message.ReplaceLineEndings(" ")}");
        }

        async Task EndAsync()
        {
            if (wrap is not null) await host.Output.WriteAsync(wrap.Finish());
            await host.Output.WriteLineAsync();
        }
    }

    private static bool Stop(CancellationTokenSource answer)
    {
        if (answer.IsCancellationRequested) return false;
        answer.Cancel();
        return true;
    }

    private async Task<string?> ReadLineAsync(CancellationToken cancellationToken)
    {
        try
        {
            // A console cannot stop reading a line: whoever leaves does not wait for it.
            return await Task.Run(() => _prompt is null ? host.Input.ReadLine() : _prompt.ReadLine(), cancellationToken).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (_prompt is not null)
        {
            // The shell's prompt is to begin a row of its own.
            await host.Error.WriteLineAsync();
            throw;
        }
    }
}
