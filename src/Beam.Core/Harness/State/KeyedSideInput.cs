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
        private readonly ConcurrentDictionary<ByteString, TValue[]> _byKey = new();
        private readonly Lock _lock = new();
        private volatile TKey[]? _keys;

        public TValue[] Get(TKey key)
        {
            var encoded = UnsafeByteOperations.UnsafeWrap(owner._keyCoder.ToBytes(key, nested: true));
            if (_byKey.TryGetValue(encoded, out var values)) return values;
            var stateKey = new StateKey
            {
                MultimapSideInput = new StateKey.Types.MultimapSideInput
                {
                    TransformId = owner.Plan.TransformId, SideInputId = owner.Plan.Tag, Window = window, Key = encoded,
                },
            };
            return _byKey.GetOrAdd(encoded, owner.Read(stateKey, owner._valueCoder).ToArray());
        }

        /// <summary>All keys. A runner that sends values along with them is asked for both at once.</summary>
        public TKey[] Keys()
        {
            if (_keys is { } known) return known;
            lock (_lock)
            {
                return _keys ??= owner.Bundle.Services.Options.RunnerCapabilities.Contains(Model.BeamUrns.RunnerProtocols.MultimapKeysValuesSideInput)
                    ? KeysWithValues()
                    : owner.Read(
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

        private TKey[] KeysWithValues()
        {
            var coder = new KvCoder<TKey, IEnumerable<TValue>>(owner._keyCoder, new ListCoder<IEnumerable<TValue>, TValue>(owner._valueCoder));
            var key = new StateKey
            {
                MultimapKeysValuesSideInput = new StateKey.Types.MultimapKeysValuesSideInput
                {
                    TransformId = owner.Plan.TransformId, SideInputId = owner.Plan.Tag, Window = window,
                },
            };
            var all = owner.Read(key, coder).ToArray();
            foreach (var (k, values) in all)
                _byKey[UnsafeByteOperations.UnsafeWrap(owner._keyCoder.ToBytes(k, nested: true))] = [.. values];
            return Array.ConvertAll(all, static pair => pair.Key);
        }
    }

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
