namespace Beam.ML.Inference.Clients;

/// <summary>What became of one element: a prediction, or the error that it caused.</summary>
internal readonly struct Outcome<T>
{
    private Outcome(T value, Exception? error) => (Value, Error) = (value, error);

    /// <summary>The prediction, where there is no error.</summary>
    public T Value { get; }

    public Exception? Error { get; }

    public static Outcome<T> Of(T value) => new(value, null);

    public static Outcome<T> Failed(Exception error) => new(default!, error);

    /// <summary>The outcome with a function of its value; what the function throws is the element's error.</summary>
    public Outcome<TOther> Then<TOther>(Func<T, TOther> function)
    {
        if (Error is not null) return Outcome<TOther>.Failed(Error);
        try
        {
            return Outcome<TOther>.Of(function(Value));
        }
        catch (Exception e)
        {
            return Outcome<TOther>.Failed(e);
        }
    }
}
