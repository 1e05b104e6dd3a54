namespace Beam.Cli.Engine.Bench;

/// <summary>The time in which all streams decode: from the step that gave the last of them its second token to the one that ends the first.</summary>
internal sealed class DecodeWindow(int streams, int outputTokens)
{
    private readonly Lock _lock = new();
    private int _running;
    private long _tokens, _firstTokens, _lastTokens;
    private Cost _start, _end;
    private bool _ended;

    /// <summary>A stream has got further.</summary>
    /// <param name="before">Tokens that it had.</param>
    /// <param name="after">Tokens that it has.</param>
    public void Add(int before, int after)
    {
        lock (_lock)
        {
            _tokens += after - before;
            if (before < 2 && after >= 2 && ++_running == streams) (_start, _firstTokens) = (Cost.Now(), _tokens);
            if (after < outputTokens || _ended) return;
            (_end, _lastTokens, _ended) = (Cost.Now(), _tokens, true);
        }
    }

    /// <summary>Tokens per second in that time; null if there never was one.</summary>
    public Rate? Rate => _running == streams && _ended && _lastTokens > _firstTokens ? Bench.Rate.Of(_lastTokens - _firstTokens, _end - _start) : null;
}
