using System.Collections;
using System.Text;
using Beam.Coders;

namespace Beam.Testing;

/// <summary>What is asserted of all elements. Travels to a worker.</summary>
internal abstract class Expectation<T>
{
    /// <summary>Throws if it does not hold.</summary>
    public abstract void Check(IReadOnlyList<T> actual);
}

/// <summary>A function that throws.</summary>
internal sealed class Satisfies<T>(Action<IReadOnlyList<T>> check) : Expectation<T>
{
    public override void Check(IReadOnlyList<T> actual) => check(actual);
}

/// <summary>A function that says no.</summary>
internal sealed class SatisfiesPredicate<T>(Func<IReadOnlyList<T>, bool> check) : Expectation<T>
{
    public override void Check(IReadOnlyList<T> actual)
    {
        if (!check(actual)) throw new PAssertException($"The condition does not hold of {Describe.All(actual)}");
    }
}

/// <summary>The same elements as often.</summary>
internal sealed class ContainsInAnyOrder<T>(byte[][] expected, Coder<T> coder) : Expectation<T>
{
    public override void Check(IReadOnlyList<T> actual)
    {
        var missing = expected.Select(bytes => coder.FromBytes(bytes, nested: true)).ToList();
        var unexpected = new List<T>();
        foreach (var element in actual)
        {
            var index = missing.FindIndex(m => AreEqual(typeof(T), m, element) || SameBytes(m, element));
            if (index < 0) unexpected.Add(element);
            else missing.RemoveAt(index);
        }

        if (missing.Count == 0 && unexpected.Count == 0) return;
        var message = new StringBuilder();
        if (missing.Count > 0) message.Append($"missing: {Describe.All(missing)}");
        if (missing.Count > 0 && unexpected.Count > 0) message.Append("; ");
        if (unexpected.Count > 0) message.Append($"unexpected: {Describe.All(unexpected)}");
        throw new PAssertException(message.Append($"; {expected.Length} were expected, {actual.Count} came").ToString());
    }

    private bool SameBytes(T x, T y) => coder.IsDeterministic && coder.ToBytes(x).AsSpan().SequenceEqual(coder.ToBytes(y));

    /// <summary>Equality within pairs and groups; a group has no order, a list has.</summary>
    private static bool AreEqual(Type declared, object? x, object? y)
    {
        if (x is null || y is null) return x is null && y is null;
        if (declared.IsGenericType && declared.GetGenericTypeDefinition() == typeof(KV<,>))
        {
            var types = declared.GetGenericArguments();
            return AreEqual(types[0], Part(x, "Key"), Part(y, "Key")) && AreEqual(types[1], Part(x, "Value"), Part(y, "Value"));
        }

        if (x is string || x is not IEnumerable xs || y is not IEnumerable ys) return Equals(x, y);
        var rest = ys.Cast<object?>().ToList();
        var all = xs.Cast<object?>().ToList();
        if (rest.Count != all.Count) return false;
        var element = declared.IsGenericType ? declared.GetGenericArguments()[^1] : declared.GetElementType() ?? typeof(object);
        if (!declared.IsGenericType || declared.GetGenericTypeDefinition() != typeof(IEnumerable<>))
            return all.Zip(rest).All(pair => AreEqual(element, pair.First, pair.Second));
        foreach (var item in all)
        {
            var index = rest.FindIndex(r => AreEqual(element, item, r));
            if (index < 0) return false;
            rest.RemoveAt(index);
        }

        return true;
    }

    private static object? Part(object pair, string name) => pair.GetType().GetProperty(name)!.GetValue(pair);
}

/// <summary>Elements in messages.</summary>
internal static class Describe
{
    private const int MaxShown = 20;

    public static string All<T>(IReadOnlyCollection<T> values)
    {
        var shown = string.Join(", ", values.Take(MaxShown).Select(v => One(v)));
        return values.Count > MaxShown ? $"[{shown}, … {values.Count - MaxShown} more]" : $"[{shown}]";
    }

    private static string One(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        byte[] bytes => "0x" + Convert.ToHexStringLower(bytes),
        IEnumerable many => All([.. many.Cast<object?>()]),
        _ when value.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == typeof(KV<,>) =>
            $"({One(type.GetProperty("Key")!.GetValue(value))}, {One(type.GetProperty("Value")!.GetValue(value))})",
        _ => value.ToString() ?? "",
    };
}
