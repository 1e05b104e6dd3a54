using System.Text;

namespace Beam.Cli.Hosting;

/// <summary>What a command has of the process it runs in: its streams, whether they are a terminal's, and its signals.</summary>
internal sealed class CliHost(TextReader input, TextWriter output, TextWriter error, Interrupts interrupts) : IDisposable
{
    public TextReader Input => input;

    public TextWriter Output => output;

    public TextWriter Error => error;

    public Interrupts Interrupts => interrupts;

    /// <summary>Someone types: prompts and colors help. Where it is false, output is for another program.</summary>
    public bool IsInputTerminal { get; init; }

    /// <summary>Someone looks on.</summary>
    public bool IsOutputTerminal { get; init; }

    /// <summary>Errors come with the place in the code (BEAM_DEBUG=1).</summary>
    public bool ShowsStackTraces { get; init; }

    public static CliHost ForProcess()
    {
        if (Console.IsOutputRedirected) Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        if (Console.IsInputRedirected) Console.InputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return new CliHost(Console.In, Console.Out, Console.Error, Interrupts.OfProcess())
        {
            IsInputTerminal = !Console.IsInputRedirected,
            IsOutputTerminal = !Console.IsOutputRedirected,
            ShowsStackTraces = Environment.GetEnvironmentVariable("BEAM_DEBUG") is "1" or "true",
        };
    }

    public void Dispose() => interrupts.Dispose();
}
