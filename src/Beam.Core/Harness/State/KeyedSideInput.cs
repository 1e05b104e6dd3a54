using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Beam.Coders;
using Beam.Coders.Collections;
using Beam.Coders.Standard;
using Beam.Model.FnExecution;
using Beam.SideInputs;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>A side input that is read by key: the runner is asked for a key when somebody looks it up.</summary>
internal sealed class KeyedSideInput<TKey, TValue>(SideInputPlan plan, DescriptorCoders coders) : SideInputReader(plan) where TKey : notnull
{
    private readonly Coder<TKey> _keyCoder = coders.Component<TKey>(plan.ElementCoderId, 0);
    private readonly Coder<TValue> _valueCoder = coders.Component<TValue>(plan.ElementCoderId, 1);

    protected override object? Open(BoundedWindow window, ByteString encodedWindow)
    {
        var content = new Content(this, encodedWindow);
        return Plan.ViewFn.Kind == ViewKind.Map ? new SideInputMap(content, Plan) : new SideInputLookup(content);
    }

    /// <summary>One window of the side input. Keys are the same where their encodings are.</summary>
    private sealed class Content(KeyedSideInput<TKey, TValue> owner, ByteString window)
    {
        // Beside the cache of the harness, which has a bound in bytes but is there only where the runner allows it.
        private const int MaxKept = 100_000;

        private readonly ConcurrentDictionary<ByteString, TValue[]> _byKey = new();
        private int _kept;
        private readonly Lock _lock = new();
        private volatile TKey[]? _keys;
        private volatile SmallMap? _small;

        public TValue[] Get(TKey key)
        {
            var encoded = UnsafeByteOperations.UnsafeWrap(owner._keyCoder.ToBytes(key, nested: true));
            if (SendsValues && Small().ByKey is { } all) return all.GetValueOrDefault(encoded, []);
            if (_byKey.TryGetValue(encoded, out var values)) return values;
            var stateKey = new StateKey
            {
                MultimapSideInput = new StateKey.Types.MultimapSideInput
                {
                    TransformId = owner.Plan.TransformId, SideInputId = owner.Plan.Tag, Window = window, Key = encoded,
                },
            };
            values = owner.Read(stateKey, owner._valueCoder).ToArray();
            if (Interlocked.Add(ref _kept, values.Length + 1) > MaxKept)
            {
                _byKey.Clear();
                Volatile.Write(ref _kept, 0);
            }

            return _byKey.GetOrAdd(encoded, values);
        }

        /// <summary>All keys. What a runner that sends values along with them sends in one page is kept.</summary>
        public TKey[] Keys()
        {
            if (SendsValues && Small() is { ByKey: not null } small) return small.Keys;
            if (_keys is { } known) return known;
            lock (_lock)
            {
                return _keys ??= owner.Read(
                    new StateKey
                    {
                        MultimapKeysSideInput = new StateKey.Types.MultimapKeysSideInput
                        {
                            TransformId = owner.Plan.TransformId, SideInputId = owner.Plan.Tag, Window = window,
                        },
                    },
                    owner._keyCoder).ToArray();
            }
        }

        private bool SendsValues => owner.Bundle.Services.Options.RunnerCapabilities.Contains(Model.BeamUrns.RunnerProtocols.MultimapKeysValuesSideInput);

        /// <summary>A map that fits one page is read at the first look: that is no more work for the runner than one key of a large one.</summary>
        private SmallMap Small()
        {
            if (_small is { } known) return known;
            lock (_lock)
            {
                var key = new StateKey
                {
                    MultimapKeysValuesSideInput = new StateKey.Types.MultimapKeysValuesSideInput
                    {
                        TransformId = owner.Plan.TransformId, SideInputId = owner.Plan.Tag, Window = window,
                    },
                };
                return _small ??= owner.ReadFirstPage(key, (page, isAll) => isAll ? Decode(page) : new SmallMap([], null));
            }
        }

        private SmallMap Decode(ReadOnlyMemory<byte> page)
        {
            var coder = new KvCoder<TKey, IEnumerable<TValue>>(owner._keyCoder, new ListCoder<IEnumerable<TValue>, TValue>(owner._valueCoder));
            var keys = new List<TKey>();
            var byKey = new Dictionary<ByteString, TValue[]>();
            foreach (var (key, values) in PagedValues.Decode([page], coder, owner.Bundle.State))
            {
                keys.Add(key);
                byKey[UnsafeByteOperations.UnsafeWrap(owner._keyCoder.ToBytes(key, nested: true))] = [.. values];
            }

            return new SmallMap([.. keys], byKey);
        }
    }

    /// <summary>The whole of a window; no <paramref name="ByKey"/> if it is too large to be one.</summary>
    private sealed record SmallMap(TKey[] Keys, IReadOnlyDictionary<ByteString, TValue[]>? ByKey);

    private sealed class SideInputMap(Content content, SideInputPlan plan) : IReadOnlyDictionary<TKey, TValue>
    {
        public TValue this[TKey key] => TryGetValue(key, out var value)
            ? value
            : throw new KeyNotFoundException($"The side input '{plan.Tag}' of '{plan.TransformName}' has no key '{key}'.");

        public IEnumerable<TKey> Keys => content.Keys();

        public IEnumerable<TValue> Values => this.Select(pair => pair.Value);

        public int Count => content.Keys().Length;

        public bool ContainsKey(TKey key) => content.Get(key).Length != 0;

        public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value)
        {
            var values = content.Get(key);
            if (values.Length > 1)
            {
                throw new InvalidOperationException(
                    $"The side input '{plan.Tag}' of '{plan.TransformName}' has several values of key '{key}'; read it with AsMultimap, or combine the values of each key.");
            }

            value = values.Length == 0 ? default : values[0];
            return values.Length != 0;
        }

        public IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator()
        {
            foreach (var key in content.Keys()) yield return KeyValuePair.Create(key, this[key]);
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class SideInputLookup(Content content) : ILookup<TKey, TValue>
    {
        public IEnumerable<TValue> this[TKey key] => content.Get(key);

        public int Count => content.Keys().Length;

        public bool Contains(TKey key) => content.Get(key).Length != 0;

        public IEnumerator<IGrouping<TKey, TValue>> GetEnumerator()
        {
            foreach (var key in content.Keys()) yield return new Group(key, content.Get(key));
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class Group(TKey key, TValue[] values) : IGrouping<TKey, TValue>
    {
        public TKey Key => key;

        public IEnumerator<TValue> GetEnumerator() => ((IEnumerable<TValue>)values).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
