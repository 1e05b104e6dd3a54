using Beam.Coders;

namespace Beam.Testing;

/// <summary>
/// Assertions on the content of collections, checked while the pipeline runs. One that does not hold fails the pipeline; one that was never
/// checked fails <see cref="TestPipeline.RunAsync"/>.
/// </summary>
public static class PAssert
{
    internal const string MetricsNamespace = "Beam.Testing.PAssert";

    /// <summary>Begins an assertion on all elements of a collection.</summary>
    public static PAssertion<T> That<T>(PCollection<T> actual) => new(actual, null);

    /// <summary>Begins an assertion on a collection of one element.</summary>
    public static PAssertionOfSingleton<T> ThatSingleton<T>(PCollection<T> actual) => new(That(actual));
}

/// <summary>An assertion on all elements of a collection.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class PAssertion<T>
{
    private readonly PCollection<T> actual;
    private readonly WindowId? window;

    internal PAssertion(PCollection<T> actual, WindowId? window) => (this.actual, this.window) = (actual, window);

    /// <summary>The same of the elements in one window.</summary>
    public PAssertion<T> InWindow(BoundedWindow window) => new(actual, WindowId.Of(window));

    /// <summary>Asserts that the elements are these, in any order.</summary>
    /// <remarks>
    /// Elements are equal if <see cref="object.Equals(object?)"/> says so, or if their encodings are; the values of a group are compared in any order.
    /// </remarks>
    public void ContainsInAnyOrder(params T[] expected) => Check("ContainsInAnyOrder", new ContainsInAnyOrder<T>(Encode(expected), actual.Coder));

    /// <summary>Asserts that the elements are these, in any order.</summary>
    public void ContainsInAnyOrder(IEnumerable<T> expected) => ContainsInAnyOrder([.. expected]);

    /// <summary>Asserts that there are no elements.</summary>
    public void Empty() => Check("Empty", new ContainsInAnyOrder<T>([], actual.Coder));

    /// <summary>Asserts that a function of all elements, in any order, does not throw.</summary>
    public void Satisfies(Action<IReadOnlyList<T>> check) => Check("Satisfies", new Satisfies<T>(check));

    /// <summary>Asserts that a function of all elements, in any order, is true.</summary>
    public void Satisfies(Func<IReadOnlyList<T>, bool> check) => Check("Satisfies", new SatisfiesPredicate<T>(check));

    private byte[][] Encode(T[] values) => [.. values.Select(v => actual.Coder.ToBytes(v, nested: true))];

    /// <summary>The outermost transform that makes the collection, with the output if it is one of several.</summary>
    private static string Producer(string collectionId)
    {
        var tag = collectionId.LastIndexOf('.');
        var transform = collectionId[..tag].Split('/')[0];
        return collectionId[tag..] == ".out" ? transform : transform + collectionId[tag..];
    }

    private void Check(string name, Expectation<T> expectation) => actual.Apply(new AssertTransform<T>(name, Producer(actual.Id), expectation, window));
}

/// <summary>An assertion on a collection of one element.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class PAssertionOfSingleton<T>
{
    private readonly PAssertion<T> assertion;

    internal PAssertionOfSingleton(PAssertion<T> assertion) => this.assertion = assertion;

    /// <summary>The same of the element in one window.</summary>
    public PAssertionOfSingleton<T> InWindow(BoundedWindow window) => new(assertion.InWindow(window));

    /// <summary>Asserts that the only element is this.</summary>
    public void IsEqualTo(T expected) => assertion.ContainsInAnyOrder(expected);

    /// <summary>Asserts that there is one element and a function of it does not throw.</summary>
    public void Satisfies(Action<T> check) => assertion.Satisfies(all => check(Only(all)));

    private static T Only(IReadOnlyList<T> all) =>
        all.Count == 1 ? all[0] : throw new PAssertException($"One element was expected, and there are {all.Count}: {Describe.All(all)}");
}

/// <summary>An assertion that does not hold.</summary>
public sealed class PAssertException : Exception, IDeterministicError
{
    /// <summary>Creates the exception.</summary>
    public PAssertException(string message) : base(message) { }

    /// <summary>Creates the exception with its cause.</summary>
    public PAssertException(string message, Exception? innerException) : base(message, innerException) { }
}
