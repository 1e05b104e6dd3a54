using Beam.Coders;
using Beam.Model.FnExecution;
using Beam.SideInputs;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>What one side input is, apart from its types.</summary>
internal sealed record SideInputPlan(
    string TransformId, string TransformName, string Tag, ViewFn ViewFn, WindowFn WindowMapping, Coder WindowCoder, string ElementCoderId);

/// <summary>
/// One side input of one transform. Within a bundle each window is made a view once; asynchronous elements read it from any thread.
/// </summary>
internal abstract class SideInputReader(SideInputPlan plan)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<BoundedWindow, Lazy<object?>> _views = [];
    private BundleContext? _bundle;
    private ByteString? _cacheToken;
    private (BoundedWindow Window, object? View)? _last;

    protected SideInputPlan Plan => plan;

    protected BundleContext Bundle => _bundle ?? throw new InvalidOperationException($"The side input '{plan.Tag}' is read outside of a bundle.");

    public static SideInputReader Create(SideInputPlan plan, DescriptorCoders coders)
    {
        var element = plan.ViewFn.ElementType;
        if (!plan.ViewFn.IsMultimap) return (SideInputReader)Generics.Create(typeof(IterableSideInput<>), [element], plan, coders);
        var (key, value) = Generics.KvOf(element)
            ?? throw new InvalidDataException($"The side input '{plan.Tag}' is a map of {element}, which has no key.");
        return (SideInputReader)Generics.Create(typeof(KeyedSideInput<,>), [key, value], plan, coders);
    }

    public void StartBundle(BundleContext bundle)
    {
        lock (_lock)
        {
            _views.Clear();
            _last = null;
            _bundle = bundle;
            _cacheToken = bundle.SideInputToken(plan.TransformId, plan.Tag);
        }
    }

    public void EndBundle()
    {
        lock (_lock)
        {
            _views.Clear();
            _last = null;
            _bundle = null;
        }
    }

    /// <summary>The view for an element in a window of the main input.</summary>
    public object? Get(BoundedWindow mainWindow)
    {
        Lazy<object?>? opening;
        lock (_lock)
        {
            if (_last is { } last && ReferenceEquals(last.Window, mainWindow)) return last.View;
            var window = plan.WindowMapping.SideInputWindow(mainWindow);
            if (!_views.TryGetValue(window, out opening)) _views.Add(window, opening = new Lazy<object?>(() => Open(window)));
        }

        // Opening may ask the runner; who reads another window meanwhile need not wait for it.
        var view = opening.Value;
        lock (_lock)
        {
            if (_views.TryGetValue(plan.WindowMapping.SideInputWindow(mainWindow), out var current) && current == opening) _last = (mainWindow, view);
        }

        return view;
    }

    private object? Open(BoundedWindow window)
    {
        using var encoded = new CoderWriter(32);
        plan.WindowCoder.EncodeObject(window, encoded, nested: true);
        return Open(window, encoded.ToByteString());
    }

    protected abstract object? Open(BoundedWindow window, ByteString encodedWindow);

    /// <summary>Something made of a state key's first page, kept from bundle to bundle where the runner allows it.</summary>
    /// <param name="key">The state key.</param>
    /// <param name="make">Gets the page and whether it is all.</param>
    protected T ReadFirstPage<T>(StateKey key, Func<ReadOnlyMemory<byte>, bool, T> make) where T : class
    {
        var cache = Bundle.Services.SideInputs;
        var cacheKey = key.ToByteString();
        if (_cacheToken is { } known && cache.Get(known, cacheKey) is T cached) return cached;
        var (data, isAll) = Bundle.State.FirstPage(key);
        var made = make(data, isAll);
        if (_cacheToken is { } token) cache.Put(token, cacheKey, made, 64 + (isAll ? 4L * data.Length : 0));
        return made;
    }

    /// <summary>The values of a state key: from the cache, or fetched as they are read and cached when they have been read to the end.</summary>
    protected LazySequence<T> Read<T>(StateKey key, Coder<T> coder)
    {
        var services = Bundle.Services;
        if (_cacheToken is not { } token) return new LazySequence<T>(Bundle.State.Values(key, coder));
        var cacheKey = key.ToByteString();
        if (services.SideInputs.Get(token, cacheKey) is T[] known) return new LazySequence<T>(known);
        long bytes = 64;
        return new LazySequence<T>(
            Bundle.State.Values(key, coder, n => bytes += 2 * n), // objects take more room than their encodings
            all => services.SideInputs.Put(token, cacheKey, all, bytes));
    }
}

/// <summary>A side input that is read from its beginning to its end.</summary>
internal sealed class IterableSideInput<T>(SideInputPlan plan, DescriptorCoders coders) : SideInputReader(plan)
{
    private readonly Coder<T> _coder = coders.Get<T>(plan.ElementCoderId);

    protected override object? Open(BoundedWindow window, ByteString encodedWindow)
    {
        var key = new StateKey
        {
            IterableSideInput = new StateKey.Types.IterableSideInput { TransformId = Plan.TransformId, SideInputId = Plan.Tag, Window = encodedWindow },
        };
        var elements = Read(key, _coder);
        return Plan.ViewFn.Kind switch
        {
            ViewKind.Iterable => elements,
            ViewKind.List => elements.ToReadOnlyList(),
            _ => Single(elements, window),
        };
    }

    private T Single(LazySequence<T> elements, BoundedWindow window)
    {
        using var each = elements.GetEnumerator();
        if (!each.MoveNext())
        {
            if (Plan.ViewFn.HasDefault) return (T)Plan.ViewFn.Default!;
            throw new InvalidOperationException(
                $"The singleton side input '{Plan.Tag}' of '{Plan.TransformName}' is empty in {window}; give AsSingleton a default value, or read it as an iterable.");
        }

        var only = each.Current;
        return each.MoveNext()
            ? throw new InvalidOperationException(
                $"The singleton side input '{Plan.Tag}' of '{Plan.TransformName}' has several elements in {window}; combine them into one, or read it as a list.")
            : only;
    }
}
