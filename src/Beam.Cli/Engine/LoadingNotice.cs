using Beam.Cli.Hosting;
using Spectre.Console;

namespace Beam.Cli.Engine;

/// <summary>Shows someone at a terminal that a model is being loaded; others get nothing.</summary>
internal static class LoadingNotice
{
    public static async Task<T> ShowAsync<T>(CliHost host, string model, Func<Task<T>> load)
    {
        if (!host.IsOutputTerminal) return await load();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(host.Error) });
        return await console.Status().StartAsync($"Loading {Markup.Escape(model)} …", _ => load());
    }
}
