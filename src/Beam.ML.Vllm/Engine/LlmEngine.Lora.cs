using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Engine;

/// <summary>The adapters that requests may name.</summary>
public sealed partial class LlmEngine
{
    /// <summary>Loads an adapter and keeps its name. Whoever knows the name finds the adapter by <see cref="FindLora"/>.</summary>
    /// <exception cref="ModelLoadException">The folder is not there, incomplete, for another model, or of a kind that is not served.</exception>
    /// <exception cref="InvalidRequestException">The engine serves no adapters, or has another of this name.</exception>
    public async Task AddLoraAsync(LoraRequest lora, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(lora);
        try
        {
            await Adapters(lora.Name).AddAsync(lora, cancellationToken);
        }
        catch (Exception e) when (IsEndOfEngine(e, cancellationToken))
        {
            throw DeadEngine();
        }
    }

    /// <summary>Forgets an adapter by its name; requests under way keep it to their end. Returns whether there was one.</summary>
    public bool RemoveLora(string name) => _adapters?.Remove(name) ?? false;

    /// <summary>The adapters that are known by name, in its order.</summary>
    public IReadOnlyList<LoraRequest> ListLoras() => _adapters?.Registered ?? [];

    /// <summary>The adapter of a name; null if there is none.</summary>
    public LoraRequest? FindLora(string name) => _adapters?.Find(name);

    /// <summary>A request's adapter; null if it wants none, or if it was aborted while it waited.</summary>
    private async ValueTask<LoraLease?> AcquireAsync(LoraRequest? lora, int priority, CancellationToken aborted, CancellationToken cancellationToken)
    {
        if (lora is null) return null;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, aborted);
        Interlocked.Increment(ref _awaitingAdapters);
        try
        {
            return await Adapters(lora.Name).AcquireAsync(lora, either.Token, _options.SchedulingPolicy == SchedulingPolicy.Priority ? priority : 0);
        }
        catch (OperationCanceledException) when (aborted.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        catch (ModelLoadException e)
        {
            throw new InvalidRequestException($"The adapter '{lora.Name}' cannot be loaded: {e.Message}", e);
        }
        catch (Exception e) when (IsEndOfEngine(e, cancellationToken))
        {
            throw DeadEngine();
        }
        finally
        {
            Interlocked.Decrement(ref _awaitingAdapters);
        }
    }

    /// <summary>Whether an adapter is not to be had because the engine stops.</summary>
    private bool IsEndOfEngine(Exception e, CancellationToken cancellationToken) =>
        e is ObjectDisposedException || (e is OperationCanceledException && _stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested);

    private LoraRegistry Adapters(string name) =>
        _adapters is null ? throw new InvalidRequestException($"The engine serves no LoRA adapters, '{name}' neither: start it with enable_lora.")
        : name == ModelName ? throw new InvalidRequestException($"'{name}' is the model itself: an adapter needs a name of its own.")
        : name.Length == 0 ? throw new InvalidRequestException("A LoRA adapter needs a name.")
        : _adapters;
}
