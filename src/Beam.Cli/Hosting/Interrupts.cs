using System.Runtime.InteropServices;

namespace Beam.Cli.Hosting;

/// <summary>
/// Ctrl-C and SIGTERM: they cancel the command, unless it has taken Ctrl-C over for something smaller, such as the answer that is being
/// written.
/// </summary>
internal sealed class Interrupts : IDisposable
{
    private readonly CancellationTokenSource _canceled = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly Lock _lock = new();
    private Func<bool>? _handler;

    /// <summary>Canceled when the command is to end.</summary>
    public CancellationToken Token => _canceled.Token;

    public static Interrupts OfProcess()
    {
        var interrupts = new Interrupts();
        interrupts._signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            interrupts.Interrupt();
        }));
        interrupts._signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            interrupts.Cancel();
        }));
        return interrupts;
    }

    /// <summary>What Ctrl-C does until the result is disposed of: true from the handler means that it has been dealt with.</summary>
    public IDisposable Handle(Func<bool> handler)
    {
        lock (_lock) _handler = handler;
        return new Release(this);
    }

    /// <summary>As Ctrl-C does.</summary>
    public void Interrupt()
    {
        Func<bool>? handler;
        lock (_lock) handler = _handler;
        if (handler?.Invoke() != true) Cancel();
    }

    /// <summary>As SIGTERM does.</summary>
    public void Cancel() => _canceled.Cancel();

    public void Dispose()
    {
        foreach (var signal in _signals) signal.Dispose();
        _canceled.Dispose();
    }

    private sealed class Release(Interrupts owner) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._lock) owner._handler = null;
        }
    }
}
