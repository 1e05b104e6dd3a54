using System.Text;

namespace Beam.Cli.Hosting;

/// <summary>What a command has of the process it runs in: its streams, whether they are a terminal's, and its signals.</summary>
internal sealed class CliHost(TextReader input, TextWriter output, TextWriter error, Interrupts interrupts) : IDisposable
{
    private Func<int> _width = () => 80;

    public TextReader Input => input;

    public TextWriter Output => output;

    public TextWriter Error => error;

    public Interrupts Interrupts => interrupts;

    /// <summary>Someone types: prompts and colors help. Where it is false, output is for another program.</summary>
    public bool IsInputTerminal { get; init; }

    /// <summary>Someone looks on.</summary>
    public bool IsOutputTerminal { get; init; }

    /// <summary>Waits for a key that someone presses; null where input or prompts are not a terminal's.</summary>
    public Func<ConsoleKeyInfo>? ReadKey { get; init; }

    /// <summary>Cells in a row of the terminal.</summary>
    public int Width => _width();

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
            ReadKey = Console.IsInputRedirected || Console.IsErrorRedirected ? null : () => Console.ReadKey(intercept: true),
            // A terminal that does not know says 0.
            _width = () => Console.WindowWidth is > 0 and var width ? width : 80,
            ShowsStackTraces = Environment.GetEnvironmentVariable("BEAM_DEBUG") is "1" or "true",
        };
    }

    public void Dispose() => interrupts.Dispose();
}
