namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// The numbers of e^x = 2ⁿ e^r, where n is the whole number next to x / ln 2 and e^r, |r| ≤ ½ ln 2, is a polynomial fitted for floats
/// (Cephes' expf).
/// </summary>
internal static class ExpPolynomial
{
    /// <summary>Below, 2ⁿ is no normal float.</summary>
    public const float Lowest = -87.33654f;

    public const float Highest = 88.37f;

    public const float Log2E = 1.44269504f;

    /// <summary>What is added to this, one and a half times 2²³, is rounded to a whole number.</summary>
    public const float Shift = 12582912f;

    /// <summary>ln 2 in two parts, the first with few digits, so that its product with n is exact.</summary>
    public const float MinusLn2High = -0.693359375f, MinusLn2Low = 2.12194440e-4f;

    public const float C7 = 1.9875691500e-4f, C6 = 1.3981999507e-3f, C5 = 8.3334519073e-3f, C4 = 4.1665795894e-2f, C3 = 1.6666665459e-1f, C2 = 5.0000001201e-1f;
}
